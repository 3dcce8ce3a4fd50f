"""The node: everything of one identity on one machine, put together."""
