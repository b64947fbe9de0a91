"""Datasets of the Hugging Face hub and of ModelScope."""
