"""The sampling engine: answer log-probabilities, generation, hidden means, all on token ids."""
