"""How a process lives with its surroundings: its faults, its end, its output, its files."""
