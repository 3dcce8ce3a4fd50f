"""Command lines that a person is told to run: what is pasted does that and nothing else. Pure.

Names that others chose stand in no line with a command: who pastes the line would paste them too.
"""

from __future__ import annotations

import shlex


def command(*words: object) -> str:
    """A line for a shell, each word quoted where it must be.

    A positional word that may begin with a dash has ``--`` before it; the caller puts it there.
    """
    return shlex.join(str(word) for word in words)


def below(line: str) -> str:
    """A command on a line of its own, after a text that holds somebody's name."""
    return f"\n  {line}"
