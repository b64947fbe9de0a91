"""A run from rows to captions: order, concurrency, memory, retry, journal, resume."""
