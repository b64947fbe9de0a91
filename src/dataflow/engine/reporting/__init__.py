"""How far a run is, and what came of it."""
