"""Bootstraps as a node knows them, and what it asks of them."""
