"""A call as a machine: events and the time go in, effects come out (PROTOCOL, "Calls"). Pure."""
