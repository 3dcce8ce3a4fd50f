"""HTTP/1.1 and WebSockets under trio for the servers that we run: app, gateway, own gateway."""
