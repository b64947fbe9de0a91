"""The terminal itself: console, streams, signals, exit codes, option groups."""
