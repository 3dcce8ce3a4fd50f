"""Contacts: who they are, who may reach us, and what waits for them."""
