"""Answers to outcomes: judged, asked again, rejected."""
