"""``python -m onmeet_bootstrap.audit`` is ``onmeet-bootstrap audit``."""

import sys

from onmeet_bootstrap.cli import main

main(["audit", *sys.argv[1:]])
