"""Atari 2600 games for two players."""
