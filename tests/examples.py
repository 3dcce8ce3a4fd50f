"""How many examples a property is tried with: few in `make check`, many in a full run."""

from __future__ import annotations

import os

CHECK = os.environ.get("ONMEET_CHECK") == "1"
FULL = os.environ.get("ONMEET_FULL") == "1"


def examples(usual: int, full: int | None = None) -> int:
    """`usual` of them; `full` with ONMEET_FULL=1; an eighth of them in `make check`."""
    if FULL and full is not None:
        return full
    return max(10, usual // 8) if CHECK else usual
