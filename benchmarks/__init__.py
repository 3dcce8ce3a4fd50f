"""Speed, size and floors, measured: `python -m benchmarks` (see README.md)."""
