"""A picture's reference → safe bytes: fetch, sniff, limit, orient, shrink, encode."""
