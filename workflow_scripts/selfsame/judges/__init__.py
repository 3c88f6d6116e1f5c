"""Kinds of judges that are asked: each module's `load` gives one that replies to prompts."""
