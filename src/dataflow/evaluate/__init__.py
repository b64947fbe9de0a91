"""How good captions are: scores, statistics and comparisons, as pure functions."""
