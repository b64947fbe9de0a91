"""All options of each command, a command a file."""
