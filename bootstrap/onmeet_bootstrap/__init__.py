"""On-Meet."""
