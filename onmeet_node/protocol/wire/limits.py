"""Lengths that messages of every kind share."""

MAX_TEXT_CHARS = 4_000
"""Of a line of chat or a note."""
MAX_NAME_CHARS = 80
"""Of what somebody, a link or a room is called."""
MAX_LINE_BYTES = 20_000
"""Of a line of chat as it travels beside media: 4,000 characters of up to 4 bytes, and more."""
MAX_BACKLOG_BYTES = 1 << 20
"""Beside media, of what the path did not take yet; past it frames are dropped."""
