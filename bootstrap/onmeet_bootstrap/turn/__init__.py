"""TURN: coturn, and what is lent of it."""
