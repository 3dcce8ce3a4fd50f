"""The audio jitter buffer."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from onmeet_node.media.engine.jitter_buffer import (
    FRAME,
    MAX_DELAY,
    RATE,
    Gap,
    JitterBuffer,
    Play,
    Why,
    opus_duration,
)
from tests.examples import examples

TICK = FRAME / RATE
PACKET = bytes([0x78, 1, 2])  # SILK/CELT config 15, one frame of 20 ms


def play(
    arrivals: list[tuple[float, int]], seconds: float, *, start: int = 1000
) -> list[tuple[float, Play | Gap]]:
    """Feeds packets (time, number) and asks for 20 ms every 20 ms, as the player does."""
    buffer = JitterBuffer()
    waiting = sorted(arrivals)
    played: list[tuple[float, Play | Gap]] = []
    for tick in range(int(seconds / TICK)):
        now = tick * TICK + 0.003
        while waiting and waiting[0][0] <= now:
            at, number = waiting.pop(0)
            payload = PACKET + number.to_bytes(4, "big")
            buffer.push((start + number * FRAME) & 0xFFFF_FFFF, payload, now=at)
        played.append((now, buffer.pop(now=now)))
    return played


def numbers(played: list[tuple[float, Play | Gap]]) -> list[int]:
    steps = (step for _, step in played)
    return [int.from_bytes(s.payload[3:], "big") for s in steps if isinstance(s, Play)]


def gaps(played: list[tuple[float, Play | Gap]], why: Why) -> int:
    return sum(1 for _, step in played if isinstance(step, Gap) and step.why is why)


def test_without_trouble_every_packet_is_played_in_order_within_60_ms() -> None:
    played = play([(n * TICK, n) for n in range(100)], 2.0)
    assert numbers(played) == list(range(len(numbers(played))))
    first = next(now for now, step in played if isinstance(step, Play))
    assert first <= 0.06
    assert gaps(played, Why.LOST) == 0


def test_a_lost_packet_costs_its_own_20_ms_and_no_delay() -> None:
    played = play([(n * TICK, n) for n in range(200) if n != 50], 4.0)
    assert 50 not in numbers(played)
    assert gaps(played, Why.LOST) == 1
    at = {int.from_bytes(s.payload[3:], "big"): now for now, s in played if isinstance(s, Play)}
    assert at[51] - at[49] < 0.041
    assert abs((at[190] - at[10]) - 180 * TICK) < 0.021


def test_five_percent_loss_plays_at_least_47_of_50_frames() -> None:
    chance = random.Random(7)
    arrivals = [(n * TICK, n) for n in range(3000) if chance.random() >= 0.05]
    played = play(arrivals, 60)
    assert len(numbers(played)) >= 0.999 * len(arrivals) - 3
    assert gaps(played, Why.PAUSED) <= 3


def test_a_burst_of_delay_is_forgotten_when_the_path_is_calm_again() -> None:
    def delay(n: int) -> float:
        return 0.15 if 200 <= n < 230 else 0.0

    arrivals = [(n * TICK + delay(n), n) for n in range(1000)]
    played = play(arrivals, 20)
    at = {int.from_bytes(s.payload[3:], "big"): now for now, s in played if isinstance(s, Play)}
    before = at[150] - 150 * TICK
    after = at[900] - 900 * TICK
    assert after - before < 0.041, "the delay stayed high"


def test_jitter_is_absorbed_once_it_is_known() -> None:
    chance = random.Random(3)
    arrivals = [(n * TICK + chance.random() * 0.06, n) for n in range(1500)]
    played = play(arrivals, 30)
    late_part = [step for now, step in played if now > 5]
    lost = sum(1 for s in late_part if isinstance(s, Gap) and s.why is Why.LOST)
    assert lost / len(late_part) < 0.05


def test_reordered_packets_are_put_in_order() -> None:
    arrivals = [(n * TICK + (0.025 if n % 10 == 0 else 0), n) for n in range(300)]
    order = numbers(play(arrivals, 6))
    assert order == sorted(order)
    assert len(order) > 290


def test_after_a_pause_it_begins_afresh() -> None:
    talk = [(n * TICK, n) for n in range(50)]
    again = [(3.0 + n * TICK, 150 + n) for n in range(50)]
    played = play(talk + again, 4.5)
    assert numbers(played)[-1] == 199
    assert gaps(played, Why.PAUSED) > 50
    assert len(numbers(played)) > 95


def test_the_timestamp_may_wrap() -> None:
    played = play([(n * TICK, n) for n in range(200)], 4.0, start=0xFFFF_FFFF - 50 * FRAME)
    assert numbers(played) == list(range(len(numbers(played))))
    assert len(numbers(played)) > 190


def test_a_sender_whose_clock_is_fast_does_not_build_up_delay() -> None:
    arrivals = [(n * TICK * 0.998, n) for n in range(3000)]  # 0.2 %: 100 times a bad crystal
    played = play(arrivals, 59)
    order = numbers(played)
    assert order[-1] > 2900


@given(
    st.lists(
        st.tuples(
            st.floats(0, 5),
            st.integers(0, 0xFFFF_FFFF),
            st.binary(max_size=12),
        ),
        max_size=120,
    )
)
@settings(max_examples=examples(150), deadline=None)
def test_no_sequence_of_packets_breaks_it_or_makes_it_hoard(
    packets: list[tuple[float, int, bytes]],
) -> None:
    buffer = JitterBuffer()
    now = 0.0
    for wait, timestamp, payload in packets:
        now += wait / 50
        buffer.push(timestamp, payload, now=now)
        step = buffer.pop(now=now)
        assert isinstance(step, Play) or 0 < step.samples <= FRAME
        assert buffer.delay <= MAX_DELAY
        assert len(buffer._packets) <= 64


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_duration_of_any_opus_packet_is_known(toc: int, count: int) -> None:
    duration = opus_duration(bytes([toc, count]))
    assert 0 <= duration <= 5760  # 120 ms, RFC 6716, 3.2.5


def test_durations_of_rfc_6716() -> None:
    assert opus_duration(bytes([31 << 3])) == 960
    assert opus_duration(bytes([16 << 3])) == 120
    assert opus_duration(bytes([3 << 3])) == 2880
    assert opus_duration(bytes([(15 << 3) | 1])) == 1920
    assert opus_duration(bytes([(31 << 3) | 3, 3])) == 2880
    assert opus_duration(b"") == 0
