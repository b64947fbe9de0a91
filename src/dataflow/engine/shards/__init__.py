"""One run in several processes or on several machines: shards, and how they become one output."""
