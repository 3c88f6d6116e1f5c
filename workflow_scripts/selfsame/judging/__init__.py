"""Judges: an answer text becomes a verdict. No torch here."""
