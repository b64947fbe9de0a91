"""A small linear classifier of sentences: caption, or one of the forms that are none."""
