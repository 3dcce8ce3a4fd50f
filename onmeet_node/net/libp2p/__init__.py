"""The libp2p host, and what it takes to rely on the library."""
