"""Operators that look at pictures."""
