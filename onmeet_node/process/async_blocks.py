"""Functions that give an ``async with`` block, and say so to whoever forgets it."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Generic, NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class AsyncBlock(AbstractAsyncContextManager[T_co], Generic[T_co]):
    """Entered once, by ``async with``. One that is dropped without is a RuntimeWarning.

    Nothing happens before it is entered, so a call that is only made rings nobody.
    """

    def __init__(
        self, manager: AbstractAsyncContextManager[T_co], name: str, file: str, line: int
    ) -> None:
        """`file` and `line`: where it was made, which is where the mistake is."""
        self._manager = manager
        self._name = name
        self._place = (file, line)
        self._entered = False

    def __repr__(self) -> str:
        return f"<block of {self._name}()>"

    async def __aenter__(self) -> T_co:
        self._entered = True
        return await self._manager.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, traceback)

    if not TYPE_CHECKING:  # for a type checker they are not there, and it says so itself

        def __await__(self) -> NoReturn:
            self._entered = True  # told below
            raise TypeError(f"{self._name}() is no coroutine: {self._right}")

        def __enter__(self) -> NoReturn:
            self._entered = True
            raise TypeError(f"{self._name}() is no plain block: {self._right}")

        def __exit__(self, *_: object) -> None: ...

    @property
    def _right(self) -> str:
        return f"write “async with {self._name}(…) as …:”."

    def __del__(self) -> None:
        # A constructor that failed leaves no `_entered`.
        if not getattr(self, "_entered", True):
            said = f"{self._name}() was never entered, so nothing happened: {self._right}"
            warnings.warn_explicit(said, RuntimeWarning, *self._place)


def async_block(function: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncBlock[T]]:
    """As `contextlib.asynccontextmanager`, for functions that programs call."""
    manager = asynccontextmanager(function)

    @functools.wraps(function)
    def block(*args: P.args, **kwargs: P.kwargs) -> AsyncBlock[T]:
        caller = sys._getframe(1)
        place = (caller.f_code.co_filename, caller.f_lineno)
        return AsyncBlock(manager(*args, **kwargs), function.__name__, *place)

    return block
