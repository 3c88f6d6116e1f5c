"""What the next run would run, and what that would take, from recorded runs."""
