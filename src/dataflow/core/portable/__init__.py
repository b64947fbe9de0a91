"""What Windows does otherwise than POSIX: flags, locks, signals, files that are open elsewhere."""
