"""A picture's reference → safe bytes."""
