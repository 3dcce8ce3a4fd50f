"""Sealed channels between devices."""
