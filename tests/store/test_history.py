"""Call records, waiting messages and audiences, as a person meets them."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import CallId, Kind
from onmeet_node.store import CallRecord
from onmeet_node.store.errors import HomeDamaged, Rejected
from onmeet_node.store.history import MAX_RECORDS, MAX_REPORT_BYTES, REGIONS
from onmeet_node.store.outbox import MAX_MESSAGE_BYTES, MAX_PER_PEER

ANA, BEN = Identity(b"a" * 32), Identity(b"b" * 32)
CALL = CallId(b"c" * 16)


def record(number: int = 0, peer: Identity = ANA, **more) -> CallRecord:
    return CallRecord(
        **{
            "call": CallId(number.to_bytes(16)),
            "peer": peer,
            "outgoing": False,
            "started": number,
            **more,
        }
    )


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_time = st.none() | st.integers(0, 2**40)


class TestHistory:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        st.builds(
            CallRecord,
            call=st.binary(min_size=16, max_size=16),
            peer=st.binary(min_size=32, max_size=32),
            outgoing=st.booleans(),
            started=st.integers(0, 2**40),
            kinds=st.frozensets(st.sampled_from(Kind)),
            answered=_time,
            ended=_time,
            reason=st.none() | st.sampled_from(EndReason),
            path=st.none() | st.sampled_from(MediaPath),
            sas=st.none() | TEXT,
            note=st.none() | st.text(st.characters(codec="utf-8"), max_size=50),
            seen=st.booleans(),
            report=st.none() | st.dictionaries(TEXT, TEXT, max_size=3).map(json.dumps),
            region=st.none() | st.sampled_from(sorted(REGIONS)),
        )
    )
    def test_what_is_saved_is_what_is_read(self, store, kept):
        store.calls.save(kept)
        assert store.calls.get(kept.peer, kept.call) == kept

    def test_newest_first_in_pages_and_by_peer(self, store):
        for number in range(10):
            store.calls.save(record(number, peer=(ANA, BEN)[number % 2]))
        assert [r.started for r in store.calls.list(limit=3)] == [9, 8, 7]
        assert [r.started for r in store.calls.list(limit=3, before=7)] == [6, 5, 4]
        assert [r.started for r in store.calls.list(peer=BEN)] == [9, 7, 5, 3, 1]

    def test_a_call_grows_from_ring_to_end(self, store):
        store.calls.save(record(100, kinds=frozenset(Kind)))
        store.calls.update(ANA, record(100).call, answered=110, path=MediaPath.HOST, sas="x")
        ended = store.calls.update(ANA, record(100).call, ended=170, reason=EndReason.HUNG_UP)
        assert ended.duration == 60
        assert store.calls.list() == (ended,)
        assert store.calls.update(ANA, CALL, ended=1) is None

    def test_nobody_can_overwrite_the_record_of_a_call_with_somebody_else(self, store):
        store.calls.save(record(1, peer=ANA, note="mine"))
        store.calls.save(record(1, peer=BEN, note="forged"))
        assert store.calls.get(ANA, record(1).call).note == "mine"

    def test_missed_calls_wait_until_they_are_seen(self, store):
        store.calls.save(record(1, seen=False))
        store.calls.save(record(2, seen=True))
        assert store.calls.unseen() == 1
        store.calls.mark_seen()
        assert store.calls.unseen() == 0

    def test_a_call_cut_off_by_a_crash_is_closed_at_the_next_start(self, store):
        store.calls.save(record(1, answered=2))
        store.calls.save(record(3, ended=4, reason=EndReason.MISSED))
        assert store.calls.close_interrupted(now=50) == 1
        closed, other = store.calls.list(peer=ANA)[::-1]
        assert (closed.ended, closed.reason) == (50, EndReason.SHUTDOWN)
        assert other.reason is EndReason.MISSED

    def test_a_caller_who_never_tires_pushes_out_the_oldest_only(self, store):
        store.database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO call (peer, call, outgoing, kinds, started, seen) "
            "SELECT ?, cast(printf('%016d', i) AS BLOB), 0, 'audio', i, 1 FROM n",
            (MAX_RECORDS, BEN),
        )
        store.calls.save(record(20_000))
        assert store.calls.count() == MAX_RECORDS
        assert store.calls.list(limit=1)[0].peer == ANA
        assert store.database.execute("SELECT min(started) FROM call") == [(2,)]

    def test_cleared_for_one_or_for_all(self, store):
        for number in range(4):
            store.calls.save(record(number, peer=(ANA, BEN)[number % 2]))
        assert store.calls.remove(ANA, record(0).call)
        assert not store.calls.remove(ANA, record(0).call)
        assert store.calls.clear(peer=BEN) == 2
        assert store.calls.clear() == 1
        assert store.calls.list() == ()

    def test_the_longest_report_is_kept_whole(self, store):
        longest = json.dumps({"x": "é" * 2042}, ensure_ascii=False).replace(": ", ":")
        assert len(longest.encode()) == MAX_REPORT_BYTES - 4
        store.calls.save(record(1, report=longest + " " * 4))
        assert store.calls.get(ANA, record(1).call).report == longest + " " * 4

    @pytest.mark.parametrize(
        "bad",
        [
            {"call": CallId(b"x")},
            {"peer": Identity(b"x")},
            {"note": "x" * 5000},
            {"report": json.dumps({"x": "é" * 2048}, ensure_ascii=False)},
            {"report": "not JSON"},
            {"report": "[" * 4000},
            {"report": "[]"},
            {"report": '{"x": "\ud800"}'},
            {"region": "us"},
        ],
    )
    def test_impossible_records_are_refused(self, store, bad):
        with pytest.raises(Rejected):
            store.calls.save(record(1, **bad))

    def test_a_value_that_cannot_be_is_damage_not_a_crash(self, store):
        store.calls.save(record(1))
        store.database.execute("UPDATE call SET reason = 'teleported'")
        with pytest.raises(HomeDamaged, match="call history"):
            store.calls.list()


class TestOutbox:
    def test_a_message_waits_until_its_receipt(self, store):
        store.outbox.add(ANA, CALL, b"one", now=10, expires=99)
        store.outbox.add(BEN, CALL, b"two", now=11, expires=99)
        (item,) = store.outbox.waiting(ANA, now=50)
        assert (item.message, item.ref, item.created, item.expires) == (b"one", CALL, 10, 99)
        assert store.outbox.peers(now=50) == [ANA, BEN]
        assert not store.outbox.delivered(ANA, b"another ref")
        assert store.outbox.delivered(ANA, CALL)
        assert store.outbox.peers(now=50) == [BEN]

    def test_one_note_for_one_call_however_often_it_is_left(self, store):
        store.outbox.add(ANA, CALL, b"old", now=1, expires=99)
        store.outbox.add(ANA, CALL, b"new", now=2, expires=99)
        assert [item.message for item in store.outbox.waiting(ANA, now=3)] == [b"new"]

    def test_what_expired_is_neither_sent_nor_kept(self, store):
        store.outbox.add(ANA, CALL, b"x", now=1, expires=10)
        store.outbox.add(BEN, CALL, b"y", now=1, expires=20)
        assert store.outbox.waiting(ANA, now=10) == []
        assert store.outbox.peers(now=10) == [BEN]
        assert store.outbox.purge(now=10) == 1
        assert store.outbox.purge(now=10) == 0
        assert store.database.execute("SELECT count(*) FROM outbox") == [(1,)]

    def test_only_the_newest_are_kept_for_one_peer(self, store):
        for number in range(MAX_PER_PEER + 5):
            store.outbox.add(ANA, bytes([number]), b"x", now=1, expires=9)
        kept = [item.ref[0] for item in store.outbox.waiting(ANA, now=1)]
        assert kept == list(range(5, MAX_PER_PEER + 5))

    def test_impossible_messages_are_refused(self, store):
        with pytest.raises(Rejected):
            store.outbox.add(ANA, CALL, bytes(MAX_MESSAGE_BYTES + 1), now=1, expires=9)
        with pytest.raises(Rejected):
            store.outbox.add(ANA, CALL, b"", now=9, expires=9)
