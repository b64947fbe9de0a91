"""One file per engine, all behind one HTTP client."""
