"""The base of every error that a person may read: it says what happened and what to do."""

from __future__ import annotations

from typing import ClassVar


class OnMeetError(Exception):
    """Something did not work, in words a person can act on. Never contains a secret."""

    kind: ClassVar[str] = "OnMeetError"
    """What programs know it by (`kind` where a command answers in JSON): the name of its class,
    unless the class names another."""

    def __init_subclass__(cls, *, kind: str | None = None) -> None:
        super().__init_subclass__()
        cls.kind = kind or cls.__name__


def first(error: BaseException) -> BaseException:
    """The first plain exception inside the groups that nurseries wrap around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
