"""How a line of the log looks; docs/OPERATIONS.md promises it.

    warning bootstrap: coturn ended by itself; it is being started again
    error faults: A fault ended one guest and nothing else: ValueError at doors.py:7 (take)

With ``--json``: ``{"t": …, "event": "log", "level": "warning", "area": …, "message": …}``.
Under systemd each line begins with its priority, ``<4>``, which the journal takes off
(sd-daemon(3)). No line has a time: the journal has, and ours would be one more thing that is kept.
"""

from __future__ import annotations

import json
import logging
import time

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7


class LogLines(logging.Formatter):
    """One line for each record; tracebacks, which may hold what somebody said, are left out."""

    def __init__(self, *, as_json: bool, journal: bool) -> None:
        super().__init__()
        self._json = as_json
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        level, area = record.levelname.lower(), record.name.rpartition(".")[2]
        message = " ".join(record.getMessage().split())
        if self._json:
            values = {"event": "log", "level": level, "area": area, "message": message}
            return json.dumps({"t": round(time.monotonic(), 6), **values})
        line = f"{level} {area}: {message}"
        return f"<{_priority(record.levelno)}>{line}" if self._journal else line


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG)
