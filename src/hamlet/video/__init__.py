"""Episodes of a run as a GIF or an MP4: play, draw or render, write."""
