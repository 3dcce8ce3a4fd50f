"""The base of every error that a person may read: it says what happened and what to do."""

from __future__ import annotations


class OnMeetError(Exception):
    """Something did not work, in words a person can act on. Never contains a secret."""


def first(error: BaseException) -> BaseException:
    """The first plain exception inside the groups that nurseries wrap around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
