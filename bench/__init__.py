"""Benchmarks: how fast the road is, how much memory it takes, beside floors measured with it."""
