"""Standard benchmarks by lm-evaluation-harness (the extra `benchmarks`), asked of our states."""
