"""Options to the plan of a run: source, prompts, engine, checks, output, consistency."""
