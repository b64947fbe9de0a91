"""The one HTTP client: requests, replies, errors, rate limits of the chat completions protocol."""
