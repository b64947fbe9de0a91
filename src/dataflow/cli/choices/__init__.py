"""The options of the commands: a group a file, each group a dataclass whose fields are options."""
