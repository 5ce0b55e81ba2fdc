"""Helpers of the benchmarks: the machine's speed limit, counted operations, test environments, synthetic runs."""
