"""A call as a machine: events and the time go in, effects come out (DESIGN 4.4). Pure."""
