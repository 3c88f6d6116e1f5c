"""Published per-question answers: read, mapped to our states, and put under our statistics."""
