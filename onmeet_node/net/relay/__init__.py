"""Circuit relays: reservations and circuits."""
