"""Write files atomically, and read files of other people safely, within limits of size and time."""
