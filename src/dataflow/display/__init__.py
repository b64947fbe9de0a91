"""What the terminal shows: progress, summaries, reports."""
