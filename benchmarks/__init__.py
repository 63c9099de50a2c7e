"""Measurements and long runs: the demo, fuzzing, benchmarks beside the peers."""
