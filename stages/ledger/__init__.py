"""What became of every song, and why: tables, JSON lines, a datasheet."""
