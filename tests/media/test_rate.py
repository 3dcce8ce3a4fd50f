"""Rate control."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.media.engine.rate_control import (
    LOW_AUDIO_BITRATE,
    MAX_BITRATE,
    MIN_BITRATE,
    START_BITRATE,
    RateControl,
    RetransmitBudget,
)


def test_a_clean_path_is_used_more_and_more_up_to_the_limit() -> None:
    rate = RateControl()
    seen = [rate.target]
    for second in range(60):
        rate.on_report(lost=0.0, now=float(second))
        seen.append(rate.target)
    assert [t.bitrate for t in seen] == sorted(t.bitrate for t in seen)
    assert rate.target.bitrate == MAX_BITRATE
    assert (seen[0].height, rate.target.height) == (360, 720)


def test_the_receivers_estimate_is_never_exceeded() -> None:
    rate = RateControl()
    rate.on_estimate(300_000, now=0.0)
    for second in range(30):
        rate.on_report(lost=0.0, now=float(second))
        assert rate.target.bitrate <= 300_000
    assert rate.target.bitrate > 200_000


def test_heavy_loss_lowers_bit_rate_then_size_then_frame_rate_and_audio() -> None:
    rate = RateControl()
    for second in range(20):
        rate.on_report(lost=0.5, now=float(second))
    target = rate.target
    assert target.bitrate == MIN_BITRATE
    assert target.height < 240
    assert target.frame_rate == 10
    assert target.audio_bitrate == LOW_AUDIO_BITRATE


def test_five_percent_loss_alone_does_not_lower_anything() -> None:
    rate = RateControl()
    for second in range(30):
        rate.on_report(lost=0.05, now=float(second))
    assert rate.target.bitrate == START_BITRATE


def test_after_lowering_it_waits_before_it_tries_more() -> None:
    rate = RateControl()
    rate.on_report(lost=0.3, now=0.0)
    low = rate.target.bitrate
    rate.on_report(lost=0.0, now=1.0)
    assert rate.target.bitrate == low
    rate.on_report(lost=0.0, now=4.0)
    assert rate.target.bitrate > low


def test_a_second_without_network_is_soon_forgotten() -> None:
    rate = RateControl()
    rate.on_report(lost=0.95, now=0.0)
    assert rate.target.height == 360
    for second in range(1, 8):
        rate.on_report(lost=0.0, now=float(second))
    assert rate.target.bitrate > 0.8 * START_BITRATE


def test_the_picture_size_does_not_flicker_around_a_step() -> None:
    rate = RateControl()
    heights = []
    for second in range(100):
        rate.on_estimate(600_000 if second % 2 else 640_000, now=float(second))
        rate.on_report(lost=0.0, now=float(second))
        heights.append(rate.target.height)
    changes = sum(a != b for a, b in itertools.pairwise(heights))
    assert changes <= 2


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("report"), st.floats(0, 1), st.floats(0, 5)),
            st.tuples(st.just("estimate"), st.integers(0, 2**40), st.floats(0, 5)),
        )
    )
)
def test_the_target_stays_in_bounds_whatever_is_reported(
    events: list[tuple[str, float, float]],
) -> None:
    rate = RateControl()
    now = 0.0
    for what, value, wait in events:
        now += wait
        if what == "report":
            rate.on_report(lost=value, now=now)
        else:
            rate.on_estimate(int(value), now=now)
        assert MIN_BITRATE <= rate.target.bitrate <= MAX_BITRATE
        assert rate.target.height in (180, 240, 360, 480, 720)


def test_retransmissions_cannot_fill_the_link() -> None:
    budget, target = RetransmitBudget(), RateControl().target
    sent = sum(budget.allow(n, target, now=n / 1000) for n in range(10_000))
    assert sent * 1200 * 8 / 10 < target.bitrate * 0.4
    assert sent > 50


def test_a_packet_on_its_way_is_not_sent_twice() -> None:
    budget, target = RetransmitBudget(), RateControl().target
    assert budget.allow(7, target, now=0.0)
    assert not budget.allow(7, target, now=0.01)
    assert budget.allow(7, target, now=0.1)
