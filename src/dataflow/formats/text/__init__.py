"""Text formats: JSON, JSON Lines, CSV, TSV, LLaVA."""
