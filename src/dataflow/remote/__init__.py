"""Files behind a URL, in object stores and on the web: found, read by ranges, put there whole."""
