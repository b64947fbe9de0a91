"""Any OpenAI-compatible server as a child process, by the command that starts it."""
