"""Lengths that messages of every kind share."""

MAX_TEXT_CHARS = 4_000
"""Of a line of chat or a note."""
MAX_NAME_CHARS = 80
"""Of what somebody, a link or a room is called."""
