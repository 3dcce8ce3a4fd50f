"""``python -m onmeet_bootstrap`` is ``onmeet-bootstrap``."""

from onmeet_bootstrap.cli import main

main()
