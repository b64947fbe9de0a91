"""Models' weights: found, downloaded, checked, known by their content."""
