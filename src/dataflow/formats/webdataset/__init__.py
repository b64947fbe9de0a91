"""WebDataset: tar shards whose members make samples."""
