"""Services of a bootstrap that a node runs for itself."""
