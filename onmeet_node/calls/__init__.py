"""The calls of a node: their tasks, media sessions, history and what is said of them."""
