"""What every picture passes through: limits, safe opening, bounded memory, bounded time."""
