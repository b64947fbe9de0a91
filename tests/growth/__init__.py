"""How time and memory grow with the size of hostile input."""
