"""Several lines over a network that delays, reorders, breaks and drops. Whatever happened, once it
is well again and the timers have run out, everybody agrees which calls there are.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.wire.messages import CallId
from tests.examples import examples
from tests.protocol.call.agreement import agree
from tests.protocol.call.node import Node
from tests.protocol.call.phone import ALICE, AUDIO, BOB, BOTH
from tests.protocol.call.world import World

N = st.integers(0, 5)


class Chaos(RuleBasedStateMachine):
    """Two people who call each other at will. Channels keep order, and break."""

    devices = ((ALICE, "a1"), (BOB, "b1"))
    reorders = False
    """Messages overtake each other, which no channel of ours allows."""
    drops = False
    """Messages vanish without their channel breaking, which no channel of ours allows."""
    dies = False
    disturbed = True
    """The network and its nodes have their troubles."""
    prompt = False
    """What is under way arrives within a second, or its channel breaks: as our channels are."""

    @initialize(early=st.tuples(st.booleans(), st.booleans(), st.booleans()), reopens=st.booleans())
    def start(self, early: tuple[bool, bool, bool], reopens: bool) -> None:
        self.world = World(reopens=reopens, prompt=self.prompt)
        for (me, device), is_early in zip(self.devices, early, strict=False):
            self.world.add(me, device, early=is_early)
        self.ids = iter(range(10_000))

    def node(self, which: int) -> Node:
        nodes = list(self.world.nodes.values())
        return nodes[which % len(nodes)]

    def call(self, node: Node, which: int) -> CallId | None:
        calls = node.line.calls
        return calls[which % len(calls)].call if calls else None

    # ── people ──────────────────────────────────────────────────────────────────────────────────
    @rule(which=N, high=st.booleans(), audio=st.booleans())
    def dial(self, which: int, high: bool, audio: bool) -> None:
        node = self.node(which)
        peer = BOB if node.me == ALICE else ALICE
        call = CallId(bytes([high]) + next(self.ids).to_bytes(15))
        node.does(on.Dial(call, peer, AUDIO if audio else BOTH, early_media=node.early))

    @rule(which=N, what=st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]))
    def answer(self, which: int, what: int) -> None:
        node = self.node(which)
        call = self.call(node, 0)
        if call is None:
            return
        node.does(
            (
                on.AcceptCall(call, BOTH),
                on.DeclineCall(call),
                on.HangUp(call),
                on.RestartMedia(call),
                on.SetMedia(call, muted=True, camera_off=False, sharing=False),
                on.Alerting(call),
                on.NetworkChanged(),
                on.HangUp(call, shutdown=True),
            )[what]
        )

    # ── the network, several steps at once so that calls get somewhere ──────────────────────────
    @rule(which=st.lists(N, min_size=1, max_size=8))
    def report(self, which: list[int]) -> None:
        for n in which:
            self.world.report(n)

    @rule(which=st.lists(st.tuples(N, N), min_size=1, max_size=4))
    def deliver(self, which: list[tuple[int, int]]) -> None:
        for wire, index in which:
            self.world.deliver(wire, index if self.reorders else 0)

    @rule(which=N)
    def find(self, which: int) -> None:
        self.world.find(which)

    @rule()
    def flow(self) -> None:
        self.world.flow()

    @precondition(lambda self: self.disturbed)
    @rule(which=N)
    def cut(self, which: int) -> None:
        self.world.cut(which)

    @precondition(lambda self: self.drops)
    @rule(which=N, index=N)
    def drop(self, which: int, index: int) -> None:
        self.world.drop(which, index)

    @precondition(lambda self: self.disturbed)
    @rule(which=N, fatal=st.booleans(), both=st.booleans())
    def trouble(self, which: int, fatal: bool, both: bool) -> None:
        self.world.trouble(which, fatal=fatal, both=both)

    @precondition(lambda self: self.disturbed)
    @rule(which=N)
    def move(self, which: int) -> None:
        self.world.move(self.node(which))

    @precondition(lambda self: self.disturbed)
    @rule(dark=st.booleans())
    def part(self, dark: bool) -> None:
        if dark:
            self.world.part()
        else:
            self.world.heal()

    @rule(seconds=st.sampled_from([0.1, 1, 2, 5, 10, 16, 21, 46]))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @precondition(lambda self: self.disturbed)
    @rule(which=N, seconds=st.sampled_from([1, 6, 16, 46, 600]))
    def sleep(self, which: int, seconds: float) -> None:
        self.world.wait(seconds, asleep=self.node(which))

    @precondition(lambda self: self.dies)
    @rule(which=N)
    def kill(self, which: int) -> None:
        self.world.kill(self.node(which).device)

    @precondition(lambda self: self.dies and len(self.world.nodes) < 8)
    @rule(which=N)
    def restart(self, which: int) -> None:
        """The process dies, and its person starts it again: another device for everybody else."""
        node = self.node(which)
        if not node.alive:
            return
        self.world.kill(node.device)
        self.world.add(node.me, f"{node.device}.{len(self.world.nodes)}", early=node.early)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()
            self.world.check_agreement()
            assert len(self.world.live()) <= 1
            for node in self.world.nodes.values():
                reasons = {ended.reason for ended in node.ledger.ended.values()}
                assert EndReason.PEER_ERROR not in reasons, "late is not wrong"


class Reordering(Chaos):
    reorders = True


class Dropping(Chaos):
    reorders = True
    drops = True


class SeveralDevices(Chaos):
    devices = ((ALICE, "a1"), (BOB, "b1"), (BOB, "b2"))


class DyingDevices(SeveralDevices):
    reorders = True
    drops = True
    dies = True


class Agreeing(Chaos):
    """Whatever happens to the network, what the two people are told of a call fits together."""

    prompt = True

    def teardown(self) -> None:
        super().teardown()
        for caller, callee in self.world.end_pairs() if hasattr(self, "world") else ():
            assert agree(caller, callee, parted=self.disturbed), (caller, callee)


class AgreeingUndisturbed(Agreeing):
    disturbed = False


class AgreeingDying(Agreeing):
    dies = True


STEPS = settings(max_examples=examples(120), stateful_step_count=50, deadline=None)
TestChaos = Chaos.TestCase
TestChaos.settings = STEPS
TestReordering = Reordering.TestCase
TestReordering.settings = STEPS
TestDropping = Dropping.TestCase
TestDropping.settings = STEPS
TestSeveralDevices = SeveralDevices.TestCase
TestSeveralDevices.settings = STEPS
TestDyingDevices = DyingDevices.TestCase
TestDyingDevices.settings = STEPS
TestAgreeing = Agreeing.TestCase
TestAgreeing.settings = STEPS
TestAgreeingUndisturbed = AgreeingUndisturbed.TestCase
TestAgreeingUndisturbed.settings = STEPS
TestAgreeingDying = AgreeingDying.TestCase
TestAgreeingDying.settings = STEPS
