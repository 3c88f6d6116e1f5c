"""Chat models: settings, loading, chat templates and chains of adapters."""
