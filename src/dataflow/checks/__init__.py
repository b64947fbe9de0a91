"""A caption → a verdict."""
