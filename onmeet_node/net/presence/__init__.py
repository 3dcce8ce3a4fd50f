"""Presence records: published, and looked up."""
