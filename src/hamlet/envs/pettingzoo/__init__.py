"""PettingZoo environments, which run in worker processes."""
