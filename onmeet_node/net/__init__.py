"""All libp2p I/O: finding nodes, reaching them, sealed channels. The one home of libp2p."""
