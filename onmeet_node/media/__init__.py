"""WebRTC endpoints and what feeds them. The one home of asyncio, in a thread of its own (DESIGN 3.3)."""
