"""The authentication string of one call: what is told of it, and what the two people said."""

from __future__ import annotations

from collections.abc import Callable

import trio

from onmeet_node.calls.connected_session import ConnectedSession
from onmeet_node.calls.errors import StringNotComparable
from onmeet_node.events import Authenticated, CallEvent, StringCompared
from onmeet_node.protocol.call.authentication import StringDoubt
from onmeet_node.protocol.call.events import JudgeString
from onmeet_node.protocol.wire.messages import CallId


class CallString:
    """Told once for each media session that comes into use; asked for once, if at all."""

    def __init__(
        self,
        call: CallId,
        *,
        in_use: Callable[[], ConnectedSession | None],
        can: Callable[[], bool],
        asks: Callable[[], bool],
        publish: Callable[[CallEvent], None],
        feed: Callable[[JudgeString], None],
    ) -> None:
        """`in_use`: the media session over which the call is connected. `can`: whether the other
        side's program takes what a person says of it. `asks`: whether the person is to compare it,
        once there is one. `feed` gives the machine what they say.
        """
        self.can = can
        self.ask = False
        """Whether the person is asked to compare it: the first one with a contact that is not
        verified."""
        self.ours: bool | None = None
        """What the person here said: the same as theirs, or not."""
        self.theirs: bool | None = None
        self.doubt: StringDoubt | None = None
        """Why there is none; None while there is one, or their part is awaited."""
        self._call = call
        self._in_use = in_use
        self._asks = asks
        self._publish = publish
        self._feed = feed
        self._told: ConnectedSession | None = None
        self._settled = trio.Event()

    def changed(self) -> None:
        """Another media session is in use, or one has its string: told, if that is in use."""
        link = self._in_use()
        if link is None or (link.sas is None and link.doubt is None):
            return
        self._settled.set()
        self.doubt = link.doubt
        if link is not self._told:
            self._told = link
            self.ask = self.ask or (link.sas is not None and self.can() and self._asks())
            self._publish(Authenticated(call=self._call, sas=link.sas, doubt=link.doubt))

    def compare(self, *, same: bool) -> None:
        """Says that the person compared it aloud with what the other one sees.

        Raises `StringNotComparable`, and the machine's `CallRefused`.
        """
        if not self.can():
            raise StringNotComparable(
                "Their program cannot say what they see. Compare the safety number instead."
            )
        if self._told is None or self._told.sas is None:
            raise StringNotComparable(
                "This call has no number to compare. Compare the safety number instead."
            )
        self._feed(JudgeString(call=self._call, same=same))

    def compared(self, ours: bool | None, theirs: bool | None) -> None:
        """What the two people said of it."""
        self.ours, self.theirs = ours, theirs
        self._publish(StringCompared(call=self._call, ours=ours, theirs=theirs))

    def over(self) -> None:
        """The call is: nobody waits any more."""
        self._settled.set()

    async def wait(self) -> None:
        """Until there is one, or there will be none, or the call is over."""
        await self._settled.wait()
