"""The journal: every answer, plan and decision in SQLite, before anything else sees it."""
