"""The shapes of all tables that steps exchange."""
