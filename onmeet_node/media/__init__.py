"""WebRTC endpoints and what feeds them; the home of asyncio (ARCHITECTURE, "Media")."""
