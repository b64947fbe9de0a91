"""Patterns of names: globs, braces, endings."""
