"""What a result is written as: JSON, Markdown, a page."""
