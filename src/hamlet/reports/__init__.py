"""What a run gave, for people: pictures."""
