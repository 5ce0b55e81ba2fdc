"""Returns, advantages, critics and running moments."""
