"""The options of each command, a group a file."""
