"""Rooms on this node: channels, calls, guests, what people are told (PROTOCOL, "Rooms")."""
