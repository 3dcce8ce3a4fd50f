"""``python -m bootstrap`` is ``onmeet-bootstrap``."""

from bootstrap.cli import main

main()
