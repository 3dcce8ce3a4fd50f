"""Writing what a call can do without: a full disk ends no call and stops no node."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from onmeet_node.store.errors import StoreError

log = logging.getLogger(__name__)


class WriteTolerance:
    """What is written within `tolerate` may fail; why it did is kept until something is written."""

    def __init__(self) -> None:
        self.trouble: StoreError | None = None
        """Why what happened lately could not be written down, if it could not."""

    @contextmanager
    def tolerate(self) -> Iterator[None]:
        """For writing in this block."""
        try:
            yield
            self.trouble = None
        except StoreError as error:
            self.trouble = error
            log.warning("not written down: %s", type(error).__name__)
