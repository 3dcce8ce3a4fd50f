"""Several people as a mesh of calls (DESIGN 3.2): who is in, who keeps the list, who carries on."""
