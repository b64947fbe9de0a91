"""What an answer costs: prices, and what they make of tokens."""
