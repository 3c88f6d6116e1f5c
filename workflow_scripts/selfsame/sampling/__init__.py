"""The sampling engine: answer log-probabilities, generation and hidden-state means, on token ids."""
