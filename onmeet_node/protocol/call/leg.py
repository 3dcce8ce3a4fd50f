"""One device of the peer in one call: its channel, its ringing, and its generations of media.

Media is renegotiated by replacing the peer connection: each offer has a *generation*. Generation
0 is the caller's. After it come rounds 1, 2, …: the offer of round r is generation 2r if its maker
has the lesser identity and 2r + 1 if the greater. Of all offers the greatest generation counts and
every other is dropped, which is perfect negotiation (the lesser identity is the polite side) put
into a number: both sides agree however their offers cross, are lost, or overtake each other.
"""

from __future__ import annotations

from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.authentication import NonceExchange, StringAllowance
from onmeet_node.protocol.call.effects import (
    Attach,
    Authenticate,
    CloseMedia,
    Effect,
    MakeAnswer,
    MakeOffer,
    Ring,
    Send,
    SuspectMedia,
    TakeAnswer,
    TakeCandidates,
)
from onmeet_node.protocol.call.errors import GenerationsUsedUp, PeerBrokeCall
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.session import Offer, Session
from onmeet_node.protocol.wire.messages import (
    MAX_CANDIDATES,
    MAX_GENERATION,
    MAX_SDP_CHARS,
    Answer,
    CallId,
    CallMessage,
    Candidate,
    Candidates,
    Kind,
    Renegotiate,
    Reveal,
)


class Leg:
    """What a call knows of one device. Methods return effects; nothing here knows the state."""

    def __init__(
        self,
        me: Identity,
        peer: Identity,
        call: CallId,
        device: Device,
        allowance: StringAllowance,
        *,
        outgoing: bool,
    ) -> None:
        self.device = device
        self.open = True
        """A sealed channel to it exists, as far as we were told."""
        self.invited = False
        self.ring: Ring | None = None
        self.media_broke = False
        """A session of it failed or was given up, so the peer may wait for our offer."""
        self.failures = 0
        self.offer: Offer | None = None
        """The peer's latest offer, if it waits for the accept or for its turn."""
        self._offers = float(timing.OFFERS_AT_ONCE)
        self._offers_at = 0.0
        self._peer = peer
        self._call = call
        self._outgoing = outgoing
        self._odd = me > peer
        self._allowance = allowance
        self._top = -1
        self._sessions: dict[int, Session] = {}
        self._early: dict[int, list[Candidates]] = {}

    # ── what is known ─────────────────────────────────────────────────────────────────────────────
    @property
    def used(self) -> bool:
        """Media was begun on this leg, whatever became of it."""
        return self._top >= 0

    @property
    def live(self) -> bool:
        """Media flows, or would if there were tracks."""
        return any(s.connected and not s.lost for s in self._sessions.values())

    @property
    def pending(self) -> Session | None:
        """The session being negotiated, if any; it always has the greatest generation."""
        session = self._sessions.get(self._top)
        return session if session and not session.connected else None

    def session(self, generation: int) -> Session | None:
        """The session of this generation, unless it was closed."""
        return self._sessions.get(generation)

    def send(self, message: CallMessage) -> list[Effect]:
        """Sends, or nothing without a channel: whoever opens it again says what counts then."""
        return [Send(self._peer, self.device, message)] if self.open else []

    # ── offers and answers ────────────────────────────────────────────────────────────────────────
    def make_offer(self, kinds: frozenset[Kind]) -> list[Effect]:
        """Begins our next generation in place of whatever is being negotiated.

        Raises `GenerationsUsedUp` and changes nothing when there is no next one.
        """
        generation = 0
        if self.used or not self._outgoing:
            generation = 2 * (max(self._top, 0) // 2 + 1) + self._odd
        if generation > MAX_GENERATION:
            raise GenerationsUsedUp
        effects = self._begin(generation, ours=True)
        return [*effects, MakeOffer(self._call, self.device, generation, kinds)]

    def take_offer(self, offer: Offer, kinds: frozenset[Kind]) -> list[Effect]:
        """Begins the peer's generation, or drops an offer that is late or lost to ours."""
        generation = offer.generation
        if self._is_ours(generation):
            raise PeerBrokeCall(f"offered generation {generation}, which only we may offer")
        session = self._sessions.get(generation)
        if session is not None:
            return self.tell_answer(session)
        if generation <= self._top:
            return []
        self.offer = None
        effects = self._begin(generation, ours=False)
        self._sessions[generation].exchange.offered(offer.commitment)
        return [*effects, MakeAnswer(self._call, self.device, generation, kinds, offer.sdp)]

    def keep_offer(self, offer: Offer) -> None:
        """Keeps an offer for the accept, or for its turn; of several the latest."""
        if self.offer is None or offer.generation >= self.offer.generation:
            self.offer = offer

    def waits_until(self, generation: int, now: float) -> float | None:
        """When an offer of this generation may be taken; None: now, and that is counted."""
        begins = not self._is_ours(generation) and generation > self._top
        if not begins or generation in self._sessions:
            return None
        earned = (now - self._offers_at) / timing.OFFER_EVERY
        self._offers = min(float(timing.OFFERS_AT_ONCE), self._offers + max(0.0, earned))
        self._offers_at = now
        if self._offers < 1:
            return now + (1 - self._offers) * timing.OFFER_EVERY
        self._offers -= 1
        return None

    def offer_made(self, session: Session, sdp: str, nonce: bytes) -> bool:
        """Keeps the offer; False if it cannot be sent."""
        if not 1 <= len(sdp) <= MAX_SDP_CHARS:
            return False
        session.sdp = sdp
        session.exchange.offer(nonce)
        return True

    def tell_offer(self, session: Session) -> list[Effect]:
        """Sends the offer of a session again or for the first time."""
        assert session.sdp is not None, "the offer is made"
        message = Renegotiate(
            call=self._call,
            generation=session.generation,
            sdp=session.sdp,
            commitment=session.exchange.commitment,
        )
        return [*self.send(message), *self.tell_candidates(session)]

    def answer_made(self, session: Session, sdp: str, nonce: bytes) -> bool:
        """Keeps the answer; False if it cannot be sent."""
        if not 1 <= len(sdp) <= MAX_SDP_CHARS:
            return False
        session.sdp = sdp
        session.exchange.answer(nonce)
        session.answered = True
        return True

    def tell_answer(self, session: Session) -> list[Effect]:
        """Sends the answer, again if need be, as long as it can still matter."""
        if session.ours or session.sdp is None:
            return []
        if session.connected and session.exchange.outcome is not None:
            return []
        message = Answer(
            call=self._call,
            generation=session.generation,
            sdp=session.sdp,
            nonce=session.exchange.shown,
        )
        candidates = [] if session.connected else self.tell_candidates(session)
        return [*self.send(message), *candidates]

    def take_answer(self, answer: Answer) -> list[Effect]:
        """The peer's answer to our offer. Said again, it asks for what follows it."""
        generation = answer.generation
        if not self._is_ours(generation):
            raise PeerBrokeCall(f"answered generation {generation}, which we never offered")
        session = self._sessions.get(generation)
        if session is None or session.sdp is None:
            return []
        if session.answered:
            return self.tell_reveal(session)
        session.answered = True
        session.exchange.answered(answer.nonce)
        return [
            TakeAnswer(self._call, self.device, generation, answer.sdp),
            *self.tell_reveal(session),
            *self.authenticate(session),
            *self.flush_candidates(session),
        ]

    # ── what the authentication string is made of ─────────────────────────────────────────────────
    def tell_reveal(self, session: Session) -> list[Effect]:
        """Reveals the nonce of an offer of ours that was answered, again if need be."""
        nonce = session.exchange.shown
        if not session.ours or nonce is None:
            return []
        reveal = Reveal(call=self._call, generation=session.generation, nonce=nonce)
        return self.send(reveal)

    def take_reveal(self, generation: int, nonce: bytes) -> list[Effect]:
        """The nonce of an offer of the peer's."""
        if self._is_ours(generation):
            raise PeerBrokeCall(f"revealed a nonce of generation {generation}, which is ours")
        session = self._sessions.get(generation)
        if session is None:
            return []
        session.exchange.revealed(nonce)
        return self.authenticate(session)

    def authenticate(self, session: Session) -> list[Effect]:
        """Hands on what the exchange of nonces came to, once there are both descriptions."""
        outcome = session.exchange.outcome
        if outcome is None or session.told or not session.answered:
            return []
        session.told = True
        return [Authenticate(self._call, self.device, session.generation, outcome)]

    def tell_nonces(self) -> list[Effect]:
        """Over a channel that is there again: our part of every string that is still to be made.

        Either side may be the one that noticed that something was lost, so who reveals says it
        again, and who awaits it says the answer again, which asks for it.
        """
        effects: list[Effect] = []
        for session in self._sessions.values():
            effects += self.tell_reveal(session)
            if session is not self.pending:
                effects += self.tell_answer(session)
        return effects

    # ── candidates ────────────────────────────────────────────────────────────────────────────────
    def candidates_ready(
        self, session: Session, candidates: tuple[Candidate, ...], *, end: bool
    ) -> list[Effect]:
        """Local candidates: kept for a channel that breaks, sent once the description is."""
        room = timing.MAX_LOCAL_CANDIDATES - len(session.local)
        session.local.extend(candidates[:room])
        session.local_end |= end
        if session.sdp is None:
            return []  # they follow their description
        return self._send_candidates(session, candidates[:room], end=end)

    def tell_candidates(self, session: Session) -> list[Effect]:
        """Sends all local candidates so far, right after the description they belong to."""
        return self._send_candidates(session, tuple(session.local), end=session.local_end)

    def take_candidates(self, message: Candidates) -> list[Effect]:
        """The peer's candidates: given to their session, kept until it can take them, or late."""
        session = self._sessions.get(message.generation)
        if session is not None and session.answered:
            return self._give(session, message)
        if session is None and message.generation <= self._top:
            return []
        kept = self._early.setdefault(message.generation, [])
        if sum(max(len(m.candidates), 1) for m in kept) < timing.MAX_REMOTE_CANDIDATES:
            kept.append(message)
        if len(self._early) > timing.MAX_EARLY_GENERATIONS:
            del self._early[min(self._early)]
        return []

    def flush_candidates(self, session: Session) -> list[Effect]:
        """Gives a session the candidates that were there before it could take them."""
        effects: list[Effect] = []
        for message in self._early.pop(session.generation, []):
            effects += self._give(session, message)
        return effects

    # ── the life of a session ─────────────────────────────────────────────────────────────────────
    def attach(self, kinds: frozenset[Kind]) -> list[Effect]:
        """Lets our media flow on every session that has its description, once each."""
        effects: list[Effect] = []
        for session in self._sessions.values():
            if session.sdp is not None and not session.attached:
                session.attached = True
                effects.append(Attach(self._call, self.device, session.generation, kinds))
        return effects

    def connected(self, session: Session) -> list[Effect]:
        """Media is up on this session: those it replaces are closed."""
        session.connected = True
        session.lost = False
        older = [g for g in self._sessions if g < session.generation]
        return self.close(*older)

    def suspect(self) -> list[Effect]:
        """Asks of every path that plays whether anybody is still at its other end."""
        return [
            SuspectMedia(self._call, self.device, session.generation)
            for session in self._sessions.values()
            if session.connected and not session.lost
        ]

    def abandon_pending(self) -> list[Effect]:
        """Gives up what is being negotiated: its addresses are of a network that is gone."""
        if self.pending is None:
            return []
        self.media_broke = True
        return self.close(self.pending.generation)

    def close(self, *generations: int) -> list[Effect]:
        """Closes these sessions."""
        effects: list[Effect] = []
        for generation in generations:
            if self._sessions.pop(generation, None) is not None:
                self._early.pop(generation, None)
                effects.append(CloseMedia(self._call, self.device, generation))
        return effects

    def close_all(self) -> list[Effect]:
        """Closes every session."""
        self._early.clear()
        return self.close(*self._sessions)

    # ── inside ────────────────────────────────────────────────────────────────────────────────────
    def _begin(self, generation: int, *, ours: bool) -> list[Effect]:
        pending = self.pending
        effects = self.close(pending.generation) if pending else []
        self._early = {g: kept for g, kept in self._early.items() if g >= generation}
        exchange = NonceExchange(self._call, generation, self._allowance, ours=ours)
        self._sessions[generation] = Session(generation, ours, exchange)
        self._top = generation
        return effects

    def _is_ours(self, generation: int) -> bool:
        if generation == 0:
            return self._outgoing
        return bool(generation % 2) == self._odd

    def _send_candidates(
        self, session: Session, candidates: tuple[Candidate, ...], *, end: bool
    ) -> list[Effect]:
        effects: list[Effect] = []
        for first in range(0, max(len(candidates), int(end)), MAX_CANDIDATES):
            last = first + MAX_CANDIDATES >= len(candidates)
            message = Candidates(
                call=self._call,
                generation=session.generation,
                candidates=candidates[first : first + MAX_CANDIDATES],
                end=end and last,
            )
            effects += self.send(message)
        return effects

    def _give(self, session: Session, message: Candidates) -> list[Effect]:
        room = timing.MAX_REMOTE_CANDIDATES - session.taken
        given = message.candidates[:room]
        session.taken += len(given)
        if not given and (session.taken_end or not message.end):
            return []
        session.taken_end |= message.end
        effect = TakeCandidates(self._call, self.device, session.generation, given, message.end)
        return [effect]
