"""Returns, advantages and critics."""
