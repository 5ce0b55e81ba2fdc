"""Games of the Atari 2600 for two players."""
