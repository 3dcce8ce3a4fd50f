"""``python -m bootstrap.audit`` is ``onmeet-bootstrap audit``."""

import sys

from bootstrap.cli import main

main(["audit", *sys.argv[1:]])
