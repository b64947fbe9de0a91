"""The road of a row: order, concurrency, memory, retry, journal, resume."""
