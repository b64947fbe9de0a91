"""One step of a pipeline: its rows read, asked about and written."""
