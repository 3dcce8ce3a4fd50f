"""Ports opened at the router: NAT-PMP and UPnP."""
