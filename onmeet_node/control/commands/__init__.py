"""Commands: what is done when a running node is asked. `catalogue` finds them by their request."""
