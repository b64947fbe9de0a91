"""The operators that users call."""
