"""Rows with pictures in, the same rows with true captions out."""

__version__ = "0.1.0"
