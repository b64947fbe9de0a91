"""What all servings share: conversations, lists in and lists out."""
