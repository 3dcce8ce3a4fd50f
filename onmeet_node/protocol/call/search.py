"""Looking for devices of the peer: when, and what it means that none was found."""

from __future__ import annotations

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.state import CallState
from onmeet_node.protocol.call.table import UNANSWERED
from onmeet_node.protocol.wire.messages import HangupReason


class DeviceSearch:
    """The searches of one call. When the next is due is in `CallState`, whose end clears it."""

    def __init__(self, call: CallState) -> None:
        self._call = call
        self.pause = timing.SEARCH_PAUSE
        self.is_stale = False
        """Our network changed during the search: what it did not find may be there."""
        self.soon = False
        """A device was lost while nobody has answered: somebody waits."""
        self.moved = False
        """Our network changed while nobody had answered: the new one may take its time."""
        self.is_first = False
        """No search has ended since the device was lost."""
        self.stranger_found = False
        """The search found a device that is none of `others`: the lost one, started again?"""
        self.without = 0
        """Searches in a row that found a stranger and not the lost device."""

    def begin(self) -> None:
        """Looks for the peer's devices, unless that is being done."""
        self._call.search_at = None
        if not self._call.searching:
            self._call.searching = True
            self.stranger_found = False
            self._call.out.append(do.FindDevices(self._call.id, self._call.peer))

    def ended(self) -> None:
        """A search is over; whatever it found was told before."""
        if not self._call.searching:
            return
        self._call.searching = False
        self.is_first = False
        stale, self.is_stale = self.is_stale, False
        if any(leg.open for leg in self._call.legs.values()):
            return
        if stale:
            self.begin()
            return
        # NOTE: a device that said nothing before it was lost may be a channel whose other end went
        # long ago. It has been looked for twice then; who waits is told. One that rang may be back.
        silent = self._call.state in UNANSWERED and not self._call.rang and not self.moved
        if not self._call.legs and self._call.stopped:
            self._call.end(on.SearchEnded, EndReason.SHUTDOWN, None)
            return
        if not self._call.legs or (silent and not self.soon):
            self._call.end(on.SearchEnded, EndReason.NOT_REACHABLE, None, leave_note=True)
            return
        if self._call.state in (State.CONNECTING, State.RECONNECTING):
            self.without += self.stranger_found
            if self.without >= timing.SEARCHES_WITHOUT:
                lost = self._call.final_message(hangup=HangupReason.CONNECTION_LOST)
                self._call.end(on.SearchEnded, EndReason.CONNECTION_LOST, lost)
                return
        soon, self.soon = self.soon, False
        self._call.search_at = self._call.now + (timing.SEARCH_SOON if soon else self.pause)
        if self._call.state is State.CONNECTED:
            self.pause = min(2 * self.pause, timing.SEARCH_PAUSE_MAX)
