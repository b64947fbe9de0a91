"""Storage for pipelines."""
