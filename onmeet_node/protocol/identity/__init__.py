"""Who a person is, whom they are reachable by, and what they show of themselves. Pure."""
