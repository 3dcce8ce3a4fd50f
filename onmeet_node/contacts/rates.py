"""How often one party may make this node write, tell or answer: token buckets by sender."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_COUNTED = 1_024
"""Senders counted; who was not heard of for longest is counted anew."""


class SenderRates:
    """Each sender may do something `burst` times at once, and once more every `seconds`."""

    def __init__(self, burst: int, seconds: float, now: Callable[[], float]) -> None:
        """`now`: seconds; it may jump, as wall clocks do."""
        self._burst = burst
        self._seconds = seconds
        self._now = now
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, sender: Hashable) -> bool:
        """Whether this sender may do it once more now; counts it if so."""
        now = self._now()
        left, then = self._left.pop(sender, (float(self._burst), now))
        left = min(self._burst, left + max(0.0, now - then) / self._seconds)
        allowed = left >= 1
        self._left[sender] = (left - 1 if allowed else left, now)
        if len(self._left) > MAX_COUNTED:
            self._left.popitem(last=False)
        return allowed
