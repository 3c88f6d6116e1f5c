"""The configuration: its typed schema, how it is loaded and checked, and the files made from it."""
