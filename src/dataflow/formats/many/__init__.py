"""Several files as one dataset, one dataset as several files."""
