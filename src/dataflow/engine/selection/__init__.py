"""Which rows of the dataset a run takes: a sample, names, a shard."""
