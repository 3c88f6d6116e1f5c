"""Statistics: from judged observations to scores, intervals and contrasts. No torch."""
