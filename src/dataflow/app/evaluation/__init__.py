"""Which captions are better: comparisons, questions, scores and trials of several models."""
