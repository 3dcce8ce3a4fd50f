"""A world of lines: channels that delay, reorder, break and drop, and media that only pretends.

Nothing happens by itself. Whoever drives it picks the next step; `settle` takes all that are left
over a network that is well again, timers included.
"""

from __future__ import annotations

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.authentication import Nonces, StringDoubt
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId
from tests.protocol.call.node import Node, Session

PATH_DEAD, CHANNEL_DEAD = 5.0, 15.0
"""Seconds without a packet after which media, and a channel, notice."""

QUIET = 500.0
"""Seconds of `settle` after which every timer of the protocol has had its time, twice over."""


class World:
    """Nodes, what is on its way between them, and the time."""

    def __init__(self, *, reopens: bool = True, prompt: bool = False) -> None:
        self.now = 0.0
        self.nodes: dict[Device, Node] = {}
        self.channels: set[frozenset[Device]] = set()
        self.wires: dict[tuple[Device, Device], list[m.CallMessage]] = {}
        self.named: dict[str, Session] = {}
        self.accepted: set[CallId] = set()
        self.loses = False
        """Whether messages vanished from a channel that did not break."""
        self.dark = False
        """No packet goes from one person to the other; nobody is told."""
        self.dark_for = 0.0
        self.prompt = prompt
        """Nothing is under way for seconds, unless the network is dark."""
        self.reopens = reopens
        """Whether a node is told of a channel that the other one opened."""

    def add(self, me: Identity, device: str, *, early: bool = True) -> Node:
        node = Node(self, me, Device(device), early)
        self.nodes[node.device] = node
        return node

    def wire(self, sender: Device, receiver: Device) -> list[m.CallMessage]:
        return self.wires.setdefault((sender, receiver), [])

    # ── steps: each returns whether there was anything to do ────────────────────────────────────
    def report(self, which: int = 0) -> bool:
        waiting = [node for node in self.nodes.values() if node.reports and node.alive]
        if not waiting:
            return False
        node = waiting[which % len(waiting)]
        node.does(node.reports.popleft())
        return True

    def deliver(self, which: int = 0, index: int = 0) -> bool:
        """One message of one wire; a lost channel is reported before a new one is heard."""
        waiting = [
            (sender, receiver)
            for (sender, receiver), messages in self.wires.items()
            if messages and not self.dark and not self._owes(receiver, sender)
        ]
        if not waiting:
            return False
        sender, receiver = waiting[which % len(waiting)]
        messages = self.wires[sender, receiver]
        message = messages.pop(index % len(messages))
        source, node = self.nodes[sender], self.nodes[receiver]
        node.ledger.heard(message)
        node.does(on.MessageReceived(source.me, sender, message, early_media=node.early))
        return True

    def drop(self, which: int, index: int) -> None:
        wires = [messages for messages in self.wires.values() if messages]
        if wires:
            messages = wires[which % len(wires)]
            messages.pop(index % len(messages))
            self.loses = True

    def find(self, which: int = 0) -> bool:
        """One search is carried out, to its end."""
        waiting = [node for node in self.nodes.values() if node.searches and node.alive]
        if not waiting:
            return False
        node = waiting[which % len(waiting)]
        search = node.searches.pop(0)
        for other in self.nodes.values():
            known = frozenset({node.device, other.device}) in self.channels
            if other.me == search.peer and (known or (other.alive and not self.dark)):
                self._open_channel(node, other)
                node.reports.append(on.DeviceReady(search.call, other.device))
        node.reports.append(on.SearchEnded(search.call))
        return True

    def cut(self, which: int) -> None:
        """A channel breaks; what was on its way is gone, and both ends will hear of it."""
        if self.channels:
            self._break(sorted(self.channels, key=sorted)[which % len(self.channels)])

    def _break(self, ends: frozenset[Device]) -> None:
        self.channels.discard(ends)
        for one, other in (sorted(ends), sorted(ends, reverse=True)):
            self.wire(one, other).clear()
            self.nodes[one].reports.append(on.DeviceLost(self.nodes[other].me, other))

    def trouble(self, which: int, *, fatal: bool, both: bool) -> None:
        """A media path goes silent, or a session fails."""
        sessions = [s for s in self.named.values() if s.open and s.node.alive]
        if not sessions:
            return
        session = sessions[which % len(sessions)]
        kind = on.MediaFailed if fatal else on.MediaPathLost
        session.node.reports.append(kind(*session.key))
        if both and session.twin is not None and session.twin.open:
            session.twin.node.reports.append(kind(*session.twin.key))

    def kill(self, device: Device) -> None:
        """The process of a node dies."""
        node = self.nodes[device]
        node.alive = False
        self._break_all(device)
        for session in node.sessions.values():
            if session.open:
                session.close()

    def join(self, session: Session, answer: str) -> None:
        """ICE and DTLS between an offerer and its answerer."""
        other = self.named[answer]
        assert other.offer == session.name, "the answer is to this very offer"
        if other.open and not self.dark:
            session.twin, other.twin = other, session
            for end in (session, other):
                end.node.reports.append(on.MediaConnected(*end.key))

    def give_up_ice(self) -> bool:
        """Sessions that wait for a counterpart that is closed, or never was, fail at last."""
        waiting = [
            session
            for node in self.nodes.values()
            for session in node.sessions.values()
            if session.open and session.twin is None and node.alive
        ]
        for session in waiting:
            session.node.reports.append(on.MediaFailed(*session.key))
        return bool(waiting)

    def wait(self, seconds: float, *, asleep: Node | None = None) -> None:
        """Time passes, for `asleep` without its doing anything; its timers are late."""
        if self.prompt and seconds >= 1:
            self.flow()
        self.now += seconds
        self.dark_for += seconds * self.dark
        if self.dark_for >= PATH_DEAD:
            self._silence(*self.nodes.values())
        if self.dark_for >= CHANNEL_DEAD:
            self._break_all()
        if asleep is not None and seconds >= PATH_DEAD:
            self._silence(asleep)
        if asleep is not None and seconds >= CHANNEL_DEAD:
            self._break_all(asleep.device)
        for node in self.nodes.values() if self.prompt else ():
            while node.reports and node is not asleep:
                node.does(node.reports.popleft())
        for node in self.nodes.values():
            if node.alive and (self.prompt or node is not asleep):
                node.perform(node.line.tick(now=self.now))

    def move(self, node: Node) -> None:
        """The node's address is another one: what went to the old one is lost."""
        self._break_all(node.device)
        self._silence(node)
        node.does(on.NetworkChanged())

    def part(self) -> None:
        """The network between the people goes dark; `heal` ends it."""
        self.dark = True

    def heal(self) -> None:
        self.dark = False
        self.dark_for = 0.0

    def unheard(self, session: Session) -> bool:
        """Whether consent checks of this session stay without an answer."""
        twin = session.twin
        return self.dark or twin is None or not twin.open or not twin.node.alive

    def flow(self) -> None:
        """All that is under way arrives, in order, in no time."""
        while self.report() or self.deliver() or self.find():
            pass

    def settle(self) -> None:
        """All that is under way arrives, and all timers run out, over a network that is well."""
        self.heal()
        until = self.now + QUIET
        while True:
            self.flow()
            times = [n.line.next_timeout for n in self.nodes.values() if n.alive]
            due = min((time for time in times if time is not None), default=None)
            if due is not None and due <= until:
                self.wait(max(due - self.now, 0))
            elif not self.give_up_ice():
                break

    # ── what is left ────────────────────────────────────────────────────────────────────────────
    def states(self, call: CallId) -> dict[Device, State]:
        return {
            node.device: status.state
            for node in self.nodes.values()
            if node.alive
            for status in node.line.calls
            if status.call == call
        }

    def live(self) -> set[CallId]:
        return {s.call for node in self.nodes.values() if node.alive for s in node.line.calls}

    def ends(self, call: CallId) -> dict[Device, EndReason]:
        return {
            node.device: node.ledger.ended[call].reason
            for node in self.nodes.values()
            if call in node.ledger.ended
        }

    def end_pairs(self) -> list[tuple[EndReason, EndReason]]:
        """The reasons of caller and callee of each call that ended at two nodes alive."""
        ends = [node.ledger.ended for node in self.nodes.values() if node.alive]
        return [
            (mine.reason, theirs[call].reason)
            for ours in ends
            for call, mine in ours.items()
            for theirs in ends
            if mine.outgoing and call in theirs and not theirs[call].outgoing
        ]

    def check_agreement(self) -> None:
        """Every call is over everywhere, or two devices talk in it over one pair of sessions."""
        for call in self.live():
            states = self.states(call)
            assert sorted(states.values()) == [State.CONNECTED] * 2, (call, states)
            ends = [
                session
                for node in self.nodes.values()
                if node.alive
                for session in node.sessions.values()
                if session.open and session.key[0] == call
            ]
            assert len(ends) == 2, [end.name for end in ends]
            assert ends[0].twin is ends[1]
            assert all(end.attached for end in ends), "both can be heard"
            self._check_strings(*ends)
        for node in self.nodes.values():
            open_keys = {key for key, session in node.sessions.items() if session.open}
            if node.alive:
                assert node.ledger.open == open_keys
                assert {key[0] for key in open_keys} <= self.live()

    def _check_strings(self, one: Session, other: Session) -> None:
        """Both ends make their string of the same nonces, and neither waits in vain."""
        outcomes = {one.outcome, other.outcome}
        if StringDoubt.TOO_MANY in outcomes:
            return
        if self.loses:
            outcomes.discard(None)
        assert len(outcomes) <= 1, "of the same nonces"
        assert all(isinstance(outcome, Nonces) for outcome in outcomes), "both said their part"

    # ── inside ──────────────────────────────────────────────────────────────────────────────────
    def _open_channel(self, node: Node, other: Node) -> None:
        ends = frozenset({node.device, other.device})
        if ends in self.channels:
            return
        self.channels.add(ends)
        if self.reopens:
            for status in other.line.calls:
                if status.peer == node.me:
                    other.reports.append(on.DeviceReady(status.call, node.device))

    def _break_all(self, device: Device | None = None) -> None:
        for ends in sorted(self.channels, key=sorted):
            if device is None or device in ends:
                self._break(ends)

    def _silence(self, *nodes: Node) -> None:
        for node in nodes:
            for session in node.sessions.values():
                for end in (session, session.twin):
                    if end is not None and end.twin is not None and end.open and end.node.alive:
                        end.node.reports.append(on.MediaPathLost(*end.key))

    def _owes(self, receiver: Device, sender: Device) -> bool:
        node = self.nodes[receiver]
        lost = on.DeviceLost(self.nodes[sender].me, sender)
        return not node.alive or lost in node.reports
