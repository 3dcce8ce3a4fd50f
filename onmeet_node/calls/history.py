"""Past calls, as they are written down when they end and as people read them (P3, P11, P14)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.errors import NoSuchRecord
from onmeet_node.calls.kept_receipts import receipts_from_json
from onmeet_node.calls.sentences import Facts, own_fault, sentence
from onmeet_node.calls.views import CallRecordView
from onmeet_node.media.ice_report import IceReport
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.store import CallRecord, Store
from onmeet_node.store.history import audience_of
from onmeet_node.store.tolerance import WriteTolerance

WRITE_BEHIND = 0.05
"""Seconds after its end until a call is written down. Killed within that time, the node loses this
record and nothing else; without power a few seconds more may go, as with all that it writes."""

MIN_ID_CHARS = 4
"""Of a call's id, to delete it by: fewer fit too much."""


class History:
    """The calls of the past on this machine; nobody else keeps them."""

    def __init__(
        self,
        store: Store,
        writes: WriteTolerance,
        *,
        name_of: Callable[[Identity], str],
        code_of: Callable[[int | None], str | None],
    ) -> None:
        """`code_of`: what a code of ours that works is called, by the id of its audience."""
        self._store = store
        self._due = trio.Event()
        self._writes = writes
        self._name_of = name_of
        self._code_of = code_of

    def write(self, call: Call, came_by: str | None) -> None:
        """Keeps a call that is over. `came_by`: see `CallRecord`.

        It is on disk `WRITE_BEHIND` later, so that nobody waits for the disk who hangs up. Whoever
        reads sees it at once, and an orderly end loses nothing.
        """
        record = CallRecord(
            call=call.id,
            peer=call.peer,
            outgoing=call.outgoing,
            started=int(call.began),
            kinds=call.kinds,
            answered=int(call.answered) if call.answered else None,
            ended=int(call.ended_at) if call.ended_at else None,
            reason=call.reason,
            path=MediaPath(call.path) if call.path else None,
            region=call.region,
            report=call.report.as_json() if call.report else None,
            sas=call.sas,
            note=call.note,
            seen=call.reason is not EndReason.MISSED,
            came_by=came_by,
        )
        self._store.database.later(partial(self._save, record))
        self._due.set()

    def _save(self, record: CallRecord) -> None:
        with contained("history"), self._writes.tolerate():
            self._store.calls.save(record)

    async def run(self) -> None:
        """Brings what was put off to the disk, until cancelled."""
        while True:
            await self._due.wait()
            self._due = trio.Event()
            await trio.sleep(WRITE_BEHIND)
            self._store.database.catch_up()

    def authenticated(self, peer: Identity) -> bool:
        """Whether a call with this person before had an authentication string."""
        return self._store.calls.authenticated(peer)

    def keep_receipts(self, call: Call, receipts: str) -> None:
        """What bootstraps signed to have released after this call, as JSON."""
        with self._writes.tolerate():
            self._store.calls.update(call.peer, call.id, receipts=receipts)

    def list(self, limit: int) -> tuple[CallRecordView, ...]:
        """The newest `limit` calls, newest first."""
        return tuple(map(self._shown, self._store.calls.list(limit=limit)))

    def _shown(self, record: CallRecord) -> CallRecordView:
        return CallRecordView(
            call=record.call,
            identity=record.peer,
            with_=self._name_of(record.peer),
            outgoing=record.outgoing,
            started=record.started,
            seconds=record.duration or 0,
            reason=record.reason,
            sentence=_why(record),
            path=record.path,
            region=record.region,
            report=IceReport.from_json(record.report) if record.report else None,
            sas=record.sas,
            note=record.note,
            receipts=receipts_from_json(record.receipts) if record.receipts else None,
            code=self._code_of(audience_of(record)),
        )

    def delete(self, which: str) -> int:
        """Deletes one call (the start of its id) or ``all``, for good; how many there were.

        Raises `NoSuchRecord`.
        """
        if which == "all":
            return self._store.calls.clear()
        chosen = self._store.calls.starting(which) if len(which) >= MIN_ID_CHARS else ()
        if len(chosen) != 1:
            raise NoSuchRecord(
                f"No single call begins with {which!r}. See: onmeet history --verbose"
            )
        return int(self._store.calls.remove(chosen[0].peer, chosen[0].call))


def _why(record: CallRecord) -> str:
    if record.reason is None:
        return "It is going on."
    report = IceReport.from_json(record.report) if record.report else None
    if record.reason is EndReason.FAULT and report is not None and report.own_fault:
        return own_fault(report.own_fault)
    facts = Facts.of(report) if report is not None else None
    return sentence(record.reason, outgoing=record.outgoing, facts=facts)
