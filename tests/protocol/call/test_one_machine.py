"""One line under any events in any order, from people, runner and peers alike."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Event
from onmeet_node.protocol.call.node_calls import Busy, CallSettings, NodeCalls
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId, Kind
from tests.examples import examples
from tests.protocol.call.ledger import Ledger
from tests.protocol.call.phone import ALICE, BOB, CAROL, NONCE

CALLS = st.sampled_from([CallId(bytes([n]) * 16) for n in range(6)])
PEERS = st.sampled_from([BOB, BOB, BOB, CAROL, ALICE])
DEVICES = st.sampled_from([Device(name) for name in ("b1", "b1", "b2", "b3")])
GENERATIONS = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 65_534, 65_535])
KINDS = st.frozensets(st.sampled_from(Kind))
SDP = st.sampled_from(["sdp", "sdp", "", "x" * (m.MAX_SDP_CHARS + 1)])
GOOD_SDP = st.just("sdp")
CANDIDATES = st.integers(0, m.MAX_CANDIDATES).map(lambda n: (m.Candidate(candidate="c"),) * n)

PERSON = st.one_of(
    st.builds(on.Dial, CALLS, PEERS, KINDS, st.booleans()),
    st.builds(on.AcceptCall, CALLS, KINDS),
    st.builds(on.DeclineCall, CALLS),
    st.builds(on.SilenceCall, CALLS),
    st.builds(on.HangUp, CALLS, st.booleans()),
    st.builds(on.SetMedia, CALLS, st.booleans(), st.booleans(), st.booleans()),
    st.builds(on.RestartMedia, CALLS),
)
CHANNELS = st.one_of(
    st.builds(on.Alerting, CALLS),
    st.builds(on.DeviceReady, CALLS, DEVICES),
    st.builds(on.SearchEnded, CALLS),
    st.builds(on.DeviceLost, PEERS, DEVICES),
    st.builds(on.NetworkChanged),
)
MEDIA = st.one_of(
    st.builds(on.OfferReady, CALLS, DEVICES, GENERATIONS, SDP),
    st.builds(on.AnswerReady, CALLS, DEVICES, GENERATIONS, SDP),
    st.builds(on.CandidatesReady, CALLS, DEVICES, GENERATIONS, CANDIDATES, st.booleans()),
    st.builds(on.MediaConnected, CALLS, DEVICES, GENERATIONS),
    st.builds(on.MediaPathLost, CALLS, DEVICES, GENERATIONS),
    st.builds(on.MediaFailed, CALLS, DEVICES, GENERATIONS),
)
MESSAGES = st.one_of(
    st.builds(
        m.Invite,
        call=CALLS,
        sdp=st.none() | GOOD_SDP,
        age_ms=st.sampled_from([0, 0, 0, 1000, 44_999, 45_000, 600_000]),
    ),
    st.builds(m.Ringing, call=CALLS, state=st.sampled_from(m.RingState)),
    st.builds(m.Accept, call=CALLS),
    st.builds(m.Renegotiate, call=CALLS, generation=GENERATIONS, sdp=GOOD_SDP),
    st.builds(m.Answer, call=CALLS, generation=GENERATIONS, sdp=GOOD_SDP),
    st.builds(m.Candidates, call=CALLS, generation=GENERATIONS, candidates=CANDIDATES),
    st.builds(m.MediaState, call=CALLS, muted=st.booleans()),
    st.builds(m.Decline, call=CALLS, reason=st.sampled_from(m.DeclineReason)),
    st.builds(m.Cancel, call=CALLS, reason=st.sampled_from(m.CancelReason)),
    st.builds(m.Hangup, call=CALLS, reason=st.sampled_from(m.HangupReason)),
)
NETWORK = st.builds(on.MessageReceived, PEERS, DEVICES, MESSAGES, st.booleans())


class AnyEvents(RuleBasedStateMachine):
    """Refuses what people wish in vain, survives everything else, and asks for nothing absurd."""

    def __init__(self) -> None:
        super().__init__()
        self.line = NodeCalls(ALICE)
        self.ledger = Ledger()
        self.now = 0.0

    @rule(event=PERSON)
    def person(self, event: Event) -> None:
        before = (self.line.calls, self.line.next_timeout)
        try:
            self.ledger.check(self.line.handle(event, now=self.now))
        except CallRefused:
            assert (self.line.calls, self.line.next_timeout) == before

    @rule(event=CHANNELS | MEDIA | NETWORK)
    def anything_else(self, event: Event) -> None:
        if isinstance(event, on.MessageReceived):
            self.ledger.heard(event.message)
        self.ledger.check(self.line.handle(event, now=self.now))

    @precondition(lambda self: self.line.calls)
    @rule(data=st.data())
    def something_that_fits(self, data: st.DataObject) -> None:
        """Events about a call there is, from its own peer and device: blind ones rarely fit."""
        call = data.draw(st.sampled_from(self.line.calls))
        device = call.device or Device("b1")
        legs = self.line._calls[call.call]._call.legs
        sessions = legs[device]._sessions if device in legs else {}
        generation = data.draw(st.sampled_from(sorted(sessions))) if sessions else 0
        event = data.draw(
            st.sampled_from(
                [
                    on.DeviceReady(call.call, device),
                    on.DeviceLost(call.peer, device),
                    on.OfferReady(call.call, device, generation, "sdp", NONCE),
                    on.AnswerReady(call.call, device, generation, "sdp", NONCE),
                    on.MediaConnected(call.call, device, generation),
                    on.MediaPathLost(call.call, device, generation),
                    on.MediaFailed(call.call, device, generation),
                    *(
                        on.MessageReceived(call.peer, device, message)
                        for message in (
                            m.Accept(call=call.call) if call.outgoing else m.Invite(call=call.call),
                            m.Answer(call=call.call, generation=generation, sdp="sdp")
                            if sessions and legs[device]._sessions[generation].ours
                            else m.MediaState(call=call.call),
                        )
                    ),
                ]
            )
        )
        self.anything_else(event)

    @rule(seconds=st.sampled_from([0.0, 0.5, 2, 5, 20, 45, 10_000]))
    def time(self, seconds: float) -> None:
        self.now += seconds
        self.ledger.check(self.line.tick(now=self.now))
        due = self.line.next_timeout
        assert due is None or due > self.now, "one late tick does all that is due"

    @rule(busy=st.sampled_from(Busy))
    def preference(self, busy: Busy) -> None:
        self.line.settings = CallSettings(busy=busy)

    @precondition(lambda self: self.line.next_timeout is not None)
    @rule()
    def next_timer(self) -> None:
        due = self.line.next_timeout
        assert due is not None
        self.now = max(self.now, due)
        self.ledger.check(self.line.tick(now=self.now))
        after = self.line.next_timeout
        assert after is None or after > self.now, "a timer that is due is done, not spun on"

    @invariant()
    def timers_are_bounded(self) -> None:
        due = self.line.next_timeout
        assert due is None or due <= self.now + timing.SEARCH_PAUSE_MAX

    def teardown(self) -> None:
        for call in self.line.calls:
            self.ledger.check(self.line.handle(on.HangUp(call.call), now=self.now))
        assert self.line.calls == ()
        assert self.ledger.open == set(), "sessions made are sessions closed"
        assert self.line.next_timeout is None


TestAnyEvents = AnyEvents.TestCase
TestAnyEvents.settings = settings(max_examples=examples(150), stateful_step_count=60, deadline=None)
