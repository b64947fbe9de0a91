"""SQLite as the journal and the caches use it."""
