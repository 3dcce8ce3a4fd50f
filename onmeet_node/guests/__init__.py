"""Guests as their host sees them: links, knocks, visits."""
