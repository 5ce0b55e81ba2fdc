"""What is remembered of play."""
