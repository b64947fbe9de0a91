"""Which columns a dataset has, which are written, and which hold pictures or questions."""
