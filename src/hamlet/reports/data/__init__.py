"""What a report knows of runs, and its statistics."""
