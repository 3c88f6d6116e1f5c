"""The step cache: what a step wrote is kept under all that decides it, and never made twice."""
