"""A parser made from the options dataclasses."""
