"""What comes from outside: the user's data files, checked row by row, and the prompts' wording."""
