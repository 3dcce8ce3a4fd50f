"""What a test needs that a machine may lack. With ONMEET_REQUIRE_ALL=1 (CI) lacking it fails."""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRE_ALL = "ONMEET_REQUIRE_ALL"


def need(reason: str | None, *required_by: str) -> None:
    """Skips for this reason, if there is one; fails where everything is required.

    `required_by`: further environment variables that require just this.
    """
    if reason is None:
        return
    for name in {*required_by, REQUIRE_ALL}:
        if os.environ.get(name) == "1":
            pytest.fail(f"{name}=1, but {reason}")
    pytest.skip(reason)


def _lacks(program: str, package: str) -> pytest.MarkDecorator:
    # Where everything is required the test runs, and fails for want of the program.
    return pytest.mark.skipif(
        shutil.which(program) is None and os.environ.get(REQUIRE_ALL) != "1",
        reason=f"{package} is not installed",
    )


needs_coturn = _lacks("turnserver", "coturn")
needs_node = _lacks("node", "Node.js")
needs_firefox = _lacks("firefox-esr", "firefox-esr")
