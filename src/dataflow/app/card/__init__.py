"""The dataset card and the Croissant metadata of an output."""
