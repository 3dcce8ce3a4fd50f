"""Whether the path to the peer still works, judged by what was heard and when (RFC 7675).

No I/O: the ICE agent tells what it hears and when, and asks.
"""

from __future__ import annotations

INTERVAL = 1.0
"""Seconds between consent checks, ± JITTER (RFC 7675, 5.1 allows a shorter one than its 5 s)."""

JITTER = 0.2
"""Of an interval, up or down."""

HURRIED_INTERVAL = 0.1
"""Between checks while something hints that the peer is gone, where its answers are quick."""

RETRANSMISSIONS = 5
"""Of a check, which waits for its answer 31.5 s then: where one of the two is short of time, whole
seconds of media wait before it in a socket, and any answer is as good a consent."""

LOST_SECONDS = 4.0
"""Without consent or any packet the path counts as lost; noticed at most 1.2 s later. Where packets
come in and ours do not get through, the peer hears nothing, and it is the one to notice."""

DEAD_SECONDS = 30.0
"""Without consent we stop sending for good, whatever is heard, which anybody could forge (RFC 7675,
5.1)."""

HINT_SECONDS = 0.4
"""Without any packet after a hint the path counts as lost: 20 audio packets, 4 checks ..."""

HINT_ROUND_TRIPS = 3.0
"""... and so many round trips, or a slow path would be given up whose answers are on the way."""

FIRST_ROUND_TRIP = 0.5
"""Assumed until one was measured."""

CLOSED_PORT = "closed port"
BROKEN_CHANNEL = "broken channel"


class PathWatch:
    """What is known of one path. Times are seconds of any one clock."""

    def __init__(self, now: float) -> None:
        self._consent = now
        self._packet = now
        self.round_trip: float | None = None
        """Seconds, cautiously long; None until measured."""
        self._hints: dict[str, float] = {}
        self._broken = False

    def consented(self, now: float, *, asked: float) -> None:
        """The peer answered the consent check sent at `asked`."""
        self._consent = self._packet = now
        sample = now - asked
        before = sample if self.round_trip is None else self.round_trip
        self.round_trip = max(sample, 0.75 * before + 0.25 * sample)

    def heard(self, now: float) -> None:
        """Any packet came over the path."""
        self._packet = now

    def hint(self, why: str, now: float) -> None:
        """Something says that the peer may be gone: its port is closed, its channel broke.

        Hints are only as good as the silence after them: ICMP can be forged, channels break alone.
        """
        if self._hints.get(why, -1.0) < self._packet or why not in self._hints:
            self._hints[why] = now

    def stood_still(self, seconds: float, now: float) -> None:
        """We did nothing for so long, for want of a processor: silence then is not the path's."""
        self._packet = min(now, self._packet + seconds)
        self._hints = {why: min(now, at + seconds) for why, at in self._hints.items()}

    def broke(self) -> None:
        """Nothing can come over the path any more."""
        self._broken = True

    def hurried(self, now: float) -> bool:
        """Whether to check often: a hint was followed by silence, and is not decided yet."""
        return any(self._open(at) and now < at + self._wait() for at in self._hints.values())

    def pause(self, now: float) -> float:
        """Seconds to the next check."""
        if not self.hurried(now):
            return INTERVAL
        return max(HURRIED_INTERVAL, min(INTERVAL, (self.round_trip or 0.0) / 4))

    def lost(self, now: float) -> bool:
        """Whether media cannot be expected to get through now."""
        if self._broken or self.dead(now) or now - self._packet >= LOST_SECONDS:
            return True
        return any(self._open(at) and now >= at + self._wait() for at in self._hints.values())

    def dead(self, now: float) -> bool:
        """Whether sending must stop for good."""
        return now - self._consent >= DEAD_SECONDS

    def _open(self, hint: float) -> bool:
        return self._packet < hint

    def _wait(self) -> float:
        round_trip = FIRST_ROUND_TRIP if self.round_trip is None else self.round_trip
        return max(HINT_SECONDS, HINT_ROUND_TRIPS * round_trip)
