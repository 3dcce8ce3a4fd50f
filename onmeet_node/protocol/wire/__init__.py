"""What travels between nodes, and its one encoding. Pure: no I/O, clock, randomness or logging."""
