"""What measures the event loops of runs, in the tests' own process and in those that they start."""
