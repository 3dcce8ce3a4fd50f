"""Several people as a mesh of calls: who is in, who keeps the list (PROTOCOL, "Rooms")."""
