"""The seams between floors: what a reader, a serving, a check or a storage must offer."""
