"""How fast and how often requests go out: admission, concurrency, rate limits, breaker, retries."""
