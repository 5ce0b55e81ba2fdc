"""Episodes of a run as a GIF or an MP4: played, drawn or rendered, written."""
