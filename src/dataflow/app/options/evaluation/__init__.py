"""All options of the commands that evaluate captions, a command a file."""
