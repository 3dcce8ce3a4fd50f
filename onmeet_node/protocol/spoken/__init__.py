"""Spoken contact codes: "7-crossover-clockwork", and what two nodes that have one say."""
