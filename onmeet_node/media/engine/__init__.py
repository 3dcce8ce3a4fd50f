"""The media engine: aiortc in a thread of its own."""
