"""The open pages of the app: what is to be told to each, and which one the person looks at."""

from __future__ import annotations

import math
from collections.abc import Iterator

import trio

from onmeet_node.web.messages import FromNode

QUEUE = 256
"""Messages waiting for a page; a browser that lets more pile up has stopped the page's script."""


class Page:
    """One connected page. `outbox` is what its WebSocket has still to send, in order."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.focused = trio.current_time()
        """When the person last looked at it, by the node's own clock."""
        self.noticeable = False
        """A call here makes a sound or shows a notification."""
        self.gone = trio.Event()
        self.left = math.inf
        """When it went, by the node's own clock."""
        self.why = ""
        """Why the node closed it; empty if it left by itself."""
        self._sender, self.outbox = trio.open_memory_channel[FromNode](QUEUE)

    def __repr__(self) -> str:
        return f"<Page {self.number}>"

    def send(self, message: FromNode) -> bool:
        """Queues a message; False if the page is gone. One that does not read is closed."""
        if self.gone.is_set():
            return False
        try:
            # What peers do is told here, too. Whoever tells it awaits something after each message,
            # so a page that reads keeps up; one that does not comes back with a fresh snapshot.
            self._sender.send_nowait(message)
        except trio.WouldBlock:
            self.close("It does not read what the node says.")
            return False
        except trio.BrokenResourceError:  # its connection is being ended
            return False
        return True

    def close(self, why: str = "") -> None:
        """Ends the page's connection after what is queued; harmless when it is gone already."""
        if not self.gone.is_set():
            self.why = why
            self.left = trio.current_time()
            self.gone.set()
            self._sender.close()


class Pages:
    """All connected pages."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}
        self._last = 0
        self._changed = trio.Event()

    def __iter__(self) -> Iterator[Page]:
        return iter(tuple(self._pages.values()))

    def __len__(self) -> int:
        return len(self._pages)

    def add(self) -> Page:
        """A page was let in."""
        self._last += 1
        page = self._pages[self._last] = Page(self._last)
        self._tell_changed()
        return page

    def remove(self, page: Page) -> None:
        """Its connection has ended."""
        page.close()
        if self._pages.pop(page.number, None) is not None:
            self._tell_changed()

    def get(self, number: int) -> Page | None:
        """The page with this number, while it is connected."""
        return self._pages.get(number)

    def focused(self) -> Page | None:
        """The page that the person looked at last; None if none is open."""
        live = [page for page in self._pages.values() if not page.gone.is_set()]
        return max(live, key=lambda page: page.focused, default=None)

    def says(self, page: Page, *, noticeable: bool) -> None:
        """Whether calls can be noticed in this page."""
        page.noticeable = noticeable
        self._tell_changed()

    def can_notice(self) -> bool:
        """Whether somebody can notice a call: one page that can is enough."""
        return any(page.noticeable and not page.gone.is_set() for page in self)

    def broadcast(self, message: FromNode) -> None:
        """Tells all pages."""
        for page in self:
            page.send(message)

    async def wait_changed(self) -> None:
        """Waits until a page comes or goes, or says whether calls can be noticed in it."""
        await self._changed.wait()

    def _tell_changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
