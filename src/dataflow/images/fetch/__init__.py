"""Picture bytes from URLs and object stores, with an address guard and a cache."""
