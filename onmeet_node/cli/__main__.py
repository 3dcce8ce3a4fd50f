"""``python -m onmeet_node.cli`` is ``onmeet``."""

from onmeet_node.cli import main

main()
