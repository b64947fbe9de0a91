"""llama.cpp as a child process, with the bundled demo model."""
