"""For tests of programs that use On-Meet: nodes that call each other in memory, in no time.

Not for products: nothing of On-Meet itself imports it. docs/API.md ("Testing") shows how.
"""

from onmeet_node.testing.frames import number_of, numbered_audio, numbered_video
from onmeet_node.testing.network import MemoryNodes, befriend, make_home, open_memory_network

__all__ = [
    "MemoryNodes",
    "befriend",
    "make_home",
    "number_of",
    "numbered_audio",
    "numbered_video",
    "open_memory_network",
]
