"""Pure learners."""
