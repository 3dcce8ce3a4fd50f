"""Call records: made, taken, missed. They exist here and nowhere else (P3)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import MAX_TEXT_CHARS, CallId, Kind
from onmeet_node.store.database import Database, Row
from onmeet_node.store.errors import HomeDamaged, Rejected

MAX_RECORDS = 10_000
"""So that a caller who never tires cannot fill the disk. Over it the oldest missed call goes of
whoever has the most of them, then the oldest call of all."""
MAX_INCOMING = 1_000
"""Of one person, or of one code's or link's holders together; their own oldest goes."""
MAX_MISSED = 100
"""Not answered, of one contact."""
MAX_MISSED_OF_STRANGER = 16
MAX_MISSED_BY_CODE = 64
"""Of all strangers who came by one code: the oldest goes of the one with the most."""
ANYONE = "anyone"
"""`CallRecord.came_by` of a stranger who needed no code."""
MAX_REPORT_BYTES = 4096
"""Of an ICE report in UTF-8; `media` caps what it writes to that."""
MAX_RECEIPTS_BYTES = 16_384
REGIONS = frozenset({"", "ca", "de"})
"""Where a relay may stand (P10); empty when its bootstrap did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call. Times are Unix seconds."""

    call: CallId
    peer: Identity
    outgoing: bool
    started: int
    kinds: frozenset[Kind] = frozenset({Kind.AUDIO})
    answered: int | None = None
    ended: int | None = None
    reason: EndReason | None = None
    path: MediaPath | None = None
    sas: str | None = None
    """The short authentication string that both ends were shown."""
    note: str | None = None
    """What a caller who did not get through left, or what the person wrote down."""
    seen: bool = True
    """False: a missed call that the person has not looked at."""
    report: str | None = None
    """The redacted ICE report as JSON, at most `MAX_REPORT_BYTES`: what was tried, what answered.
    None of calls that had no media session, and of those made before format 2."""
    receipts: str | None = None
    """What bootstraps signed to have released, as JSON of at most `MAX_RECEIPTS_BYTES`
    (`settling`). None where none was asked for: nothing had gone through a server."""
    region: str | None = None
    """One of `REGIONS` when the media was relayed: where the relay stands. Else None."""
    came_by: str | None = None
    """By what somebody came who is no contact: `by_code`, `by_link`, or `ANYONE`."""

    @property
    def duration(self) -> int | None:
        """Seconds of conversation; None when it was not answered or is not over."""
        if self.answered is None or self.ended is None:
            return None
        return max(0, self.ended - self.answered)


_COLUMNS = (
    "call, peer, outgoing, started, kinds, answered, ended, reason, path, sas, note, seen, "
    "report, region, receipts, came_by"
)
_SELECT = f"SELECT {_COLUMNS} FROM call"  # noqa: S608 - names alone
_SAVE = f"INSERT OR REPLACE INTO call ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608


_MISSED = "outgoing = 0 AND answered IS NULL"


def by_code(audience: int) -> str:
    """`CallRecord.came_by` of the holders of a code of ours."""
    return f"code:{audience}"


def audience_of(record: CallRecord) -> int | None:
    """The id of the audience by which they came; None if by none, or by a link."""
    kind, _, number = (record.came_by or "").partition(":")
    return int(number) if kind == "code" else None


def by_link(link: str) -> str:
    """`CallRecord.came_by` of the guests of a link; `link` is its id."""
    return f"link:{link}"


class CallStore:
    """The `call` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, record: CallRecord) -> None:
        """Adds or replaces the record of this peer and call id. Raises `Rejected`."""
        if len(record.call) != 16 or len(record.peer) != 32:
            raise Rejected("A call id has 16 bytes and an identity 32; this record has others.")
        if record.note is not None and len(record.note) > MAX_TEXT_CHARS:
            raise Rejected(f"A note has at most {MAX_TEXT_CHARS} characters.")
        if record.report is not None and not _is_report(record.report):
            raise Rejected(f"A call's report is JSON of at most {MAX_REPORT_BYTES} bytes.")
        if record.receipts is not None and len(record.receipts) > MAX_RECEIPTS_BYTES:
            raise Rejected(f"Receipts have at most {MAX_RECEIPTS_BYTES} bytes.")
        if record.region is not None and record.region not in REGIONS:
            raise Rejected("A relay's region is ca, de, or empty when it is not known.")
        with self._database.aside(), self._database.transaction():
            fresh = self.get(record.peer, record.call) is None
            self._database.execute(
                _SAVE,
                (
                    record.call,
                    record.peer,
                    record.outgoing,
                    record.started,
                    ",".join(sorted(record.kinds)),
                    record.answered,
                    record.ended,
                    record.reason,
                    record.path,
                    record.sas,
                    record.note,
                    record.seen,
                    record.report,
                    record.region,
                    record.receipts,
                    record.came_by,
                ),
            )
            if fresh:
                self._keep_quotas(record)

    # ── nobody takes the room of others ─────────────────────────────────────────────────────────
    def _keep_quotas(self, record: CallRecord) -> None:
        """Whoever caused too many rows loses their own oldest; others' stay."""
        if not record.outgoing:
            most = MAX_MISSED if record.came_by is None else MAX_MISSED_OF_STRANGER
            self._trim(f"peer = ? AND {_MISSED}", record.peer, most)
            self._trim("peer = ? AND outgoing = 0", record.peer, MAX_INCOMING)
        if record.came_by is not None and not record.outgoing:
            self._trim_together(f"came_by = ? AND {_MISSED}", record.came_by, MAX_MISSED_BY_CODE)
            self._trim_together("came_by = ? AND outgoing = 0", record.came_by, MAX_INCOMING)
        if self.count() > MAX_RECORDS:
            rows = self._database.execute(
                f"SELECT peer FROM call WHERE {_MISSED} GROUP BY peer "  # noqa: S608 - constants
                "HAVING count(*) > 1 ORDER BY count(*) DESC, min(started) LIMIT 1"
            )
            if rows:
                self._drop(f"peer = ? AND {_MISSED}", rows[0][0], 1)
            else:
                self._drop("?1 = 0", 0, self.count() - MAX_RECORDS)

    def _trim(self, which: str, value: object, most: int) -> None:
        surplus = self._count(which, value) - most
        if surplus > 0:
            self._drop(which, value, surplus)

    def _trim_together(self, which: str, value: object, most: int) -> None:
        if self._count(which, value) > most:
            ((peer,),) = self._database.execute(
                f"SELECT peer FROM call WHERE {which} "  # noqa: S608 - constants
                "GROUP BY peer ORDER BY count(*) DESC, min(started) LIMIT 1",
                (value,),
            )
            self._database.execute(
                "DELETE FROM call WHERE (peer, call) IN (SELECT peer, call FROM call "  # noqa: S608
                f"WHERE {which} AND peer = ? ORDER BY started LIMIT 1)",
                (value, peer),
            )

    def _count(self, which: str, value: object) -> int:
        rows = self._database.execute(f"SELECT count(*) FROM call WHERE {which}", (value,))  # noqa: S608
        return int(rows[0][0])

    def _drop(self, which: str, value: object, number: int) -> None:
        self._database.execute(
            "DELETE FROM call WHERE (peer, call) IN (SELECT peer, call FROM call "  # noqa: S608
            f"WHERE {which} ORDER BY started LIMIT ?)",
            (value, number),
        )

    def authenticated(self, peer: Identity) -> bool:
        """Whether one of this person's calls had an authentication string."""
        return self._count("peer = ? AND sas IS NOT NULL", peer) > 0

    def befriended(self, peer: Identity) -> None:
        """They are a contact now: their calls count no more with those who came as they did."""
        self._database.execute(
            "UPDATE call SET came_by = NULL WHERE peer = ? AND came_by IS NOT NULL", (peer,)
        )

    def update(self, peer: Identity, call: CallId, **changes: Any) -> CallRecord | None:
        """Changes fields of a record and returns it; None when there is none."""
        with self._database.transaction():
            record = self.get(peer, call)
            if record is None:
                return None
            record = replace(record, **changes)
            self.save(record)
            return record

    def get(self, peer: Identity, call: CallId) -> CallRecord | None:
        """The record of this call with this peer."""
        rows = self._database.execute(f"{_SELECT} WHERE peer = ? AND call = ?", (peer, call))
        return _record(rows[0]) if rows else None

    def list(
        self, *, peer: Identity | None = None, limit: int = 100, before: int | None = None
    ) -> tuple[CallRecord, ...]:
        """The newest `limit` records (of `peer`, started before `before`), newest first."""
        rows = self._database.execute(
            f"{_SELECT} WHERE (?1 IS NULL OR peer = ?1) "
            "AND (?2 IS NULL OR started < ?2) ORDER BY started DESC, call LIMIT ?3",
            (peer, before, limit),
        )
        return tuple(_record(row) for row in rows)

    def starting(self, start: str) -> tuple[CallRecord, ...]:
        """Two at most of those whose id begins so, in hex: enough to see whether it is one."""
        span = self._database.span(start, 16)
        if span is None:
            return ()
        rows = self._database.execute(f"{_SELECT} WHERE call BETWEEN ? AND ? LIMIT 2", span)
        return tuple(_record(row) for row in rows)

    def unseen(self) -> int:
        """How many missed calls wait to be looked at."""
        return int(self._database.execute("SELECT count(*) FROM call WHERE seen = 0")[0][0])

    def mark_seen(self) -> None:
        """The person looked at the history."""
        self._database.execute("UPDATE call SET seen = 1 WHERE seen = 0")

    def close_interrupted(self, *, now: int) -> int:
        """Ends the records that a killed node left open; returns how many there were."""
        return self._database.change(
            "UPDATE call SET ended = ?, reason = coalesce(reason, ?) WHERE ended IS NULL",
            (now, EndReason.SHUTDOWN),
        )

    def remove(self, peer: Identity, call: CallId) -> bool:
        """Deletes one record for good (P11); False when there was none."""
        with self._database.erasing():
            return (
                self._database.change("DELETE FROM call WHERE peer = ? AND call = ?", (peer, call))
                > 0
            )

    def clear(self, *, peer: Identity | None = None) -> int:
        """Deletes the records of `peer`, or all, for good; returns how many there were."""
        with self._database.erasing():
            return self._database.change("DELETE FROM call WHERE ?1 IS NULL OR peer = ?1", (peer,))

    def count(self) -> int:
        """How many records there are."""
        return int(self._database.execute("SELECT count(*) FROM call")[0][0])


def _is_report(text: str) -> bool:
    try:
        return len(text.encode()) <= MAX_REPORT_BYTES and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _record(row: Row) -> CallRecord:
    call, peer, outgoing, started, kinds, answered, ended, reason, path, *more = row
    sas, note, seen, report, region, receipts, came_by = more
    try:
        return CallRecord(
            call=CallId(call),
            peer=Identity(peer),
            outgoing=bool(outgoing),
            started=started,
            kinds=frozenset(Kind(kind) for kind in kinds.split(",") if kind),
            answered=answered,
            ended=ended,
            reason=EndReason(reason) if reason else None,
            path=MediaPath(path) if path else None,
            sas=sas,
            note=note,
            seen=bool(seen),
            report=report,
            region=region,
            receipts=receipts,
            came_by=came_by,
        )
    except ValueError as error:
        raise HomeDamaged("The call history") from error
