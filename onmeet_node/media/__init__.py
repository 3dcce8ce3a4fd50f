"""WebRTC endpoints and what feeds them; the home of asyncio, in its own thread (DESIGN 3.3)."""
