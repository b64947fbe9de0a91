"""A run from rows to output: intake, loading, asking, resume, budget, writing."""
