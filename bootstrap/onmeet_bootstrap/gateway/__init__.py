"""The door for browser guests: hands on what it cannot read (PROTOCOL, "Guests")."""
