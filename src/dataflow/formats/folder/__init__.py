"""A folder of pictures as a dataset, and captions as sidecars beside them."""
