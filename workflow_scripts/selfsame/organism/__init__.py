"""The embedded model organism: a tiny chat model with a known link of harm and identity."""
