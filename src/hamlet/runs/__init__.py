"""What the directory of a run holds: its configuration, whose code it may run, its metrics."""
