"""Arrow, Feather, Parquet and saved Hugging Face datasets, batch by batch."""
