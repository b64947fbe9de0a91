"""Captions that are there are checked, and asked again where they have a fault."""
