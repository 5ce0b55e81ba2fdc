"""The pictures in reports and in the documentation."""
