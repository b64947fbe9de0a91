"""A whole dataset of captions to its report: counts, examples, near duplicates."""
