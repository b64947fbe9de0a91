"""The command line: arguments in, progress and summary out."""
