"""What readers and writers share: opening, atomic writing, JSON values, compression."""
