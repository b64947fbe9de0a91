"""The options of every command and function, as plain data; no parser is named here."""
