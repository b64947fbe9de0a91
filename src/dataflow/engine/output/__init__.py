"""The output written from answers and people's decisions, and changes in it taken in."""
