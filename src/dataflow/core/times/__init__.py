"""When a server can be asked again, by what it says."""
