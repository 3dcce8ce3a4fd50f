"""The control socket: what `onmeet` asks a running node."""
