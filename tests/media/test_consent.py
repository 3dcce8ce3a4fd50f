"""When a path counts as lost: the rules alone, by a clock of the test's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.media.engine.consent import (
    BROKEN_CHANNEL,
    CLOSED_PORT,
    DEAD_SECONDS,
    FIRST_ROUND_TRIP,
    HINT_SECONDS,
    HURRIED_INTERVAL,
    INTERVAL,
    LOST_SECONDS,
    PathWatch,
)


def test_silence_alone_takes_its_time() -> None:
    watch = PathWatch(0.0)
    assert not watch.lost(LOST_SECONDS - 0.1)
    assert watch.lost(LOST_SECONDS)
    assert not watch.dead(LOST_SECONDS)
    assert watch.dead(DEAD_SECONDS)


def test_who_is_heard_is_there_though_its_answers_come_too_late() -> None:
    watch = PathWatch(0.0)
    watch.heard(DEAD_SECONDS - 1.0)
    assert not watch.lost(DEAD_SECONDS - 0.1)
    assert watch.dead(DEAD_SECONDS), "what is heard may be forged"
    assert watch.lost(DEAD_SECONDS)


def test_silence_while_we_stood_still_ourselves_says_nothing() -> None:
    watch = PathWatch(0.0)
    watch.hint(BROKEN_CHANNEL, 0.5)
    watch.stood_still(10.0, 11.0)
    assert not watch.lost(11.0)
    assert watch.lost(11.0 + LOST_SECONDS), "but the silence after it does"
    assert watch.dead(DEAD_SECONDS), "and consent has a clock of its own"


def test_what_was_heard_when_we_woke_is_not_of_the_future() -> None:
    watch = PathWatch(0.0)
    watch.heard(10.9)
    watch.stood_still(10.0, 11.0)
    watch.hint(CLOSED_PORT, 11.1)
    assert watch.hurried(11.2)


def test_a_closed_port_and_silence_are_quick() -> None:
    watch = PathWatch(0.0)
    watch.heard(10.0)
    watch.consented(10.0, asked=9.99)
    watch.hint(CLOSED_PORT, 10.1)
    assert watch.hurried(10.2)
    assert not watch.lost(10.2)
    assert watch.lost(10.1 + HINT_SECONDS)


def test_a_hint_that_is_followed_by_any_packet_was_wrong() -> None:
    watch = PathWatch(0.0)
    watch.hint(BROKEN_CHANNEL, 1.0)
    watch.heard(1.1)
    assert not watch.hurried(1.2)
    assert not watch.lost(2.0)


def test_hints_that_come_again_do_not_put_the_decision_off() -> None:
    watch = PathWatch(0.0)
    watch.consented(0.9, asked=0.89)
    for step in range(20):
        watch.hint(CLOSED_PORT, 1.0 + step / 50)
    assert watch.lost(1.0 + HINT_SECONDS)


def test_a_new_hint_after_a_packet_begins_anew() -> None:
    watch = PathWatch(0.0)
    watch.consented(0.9, asked=0.89)
    watch.hint(CLOSED_PORT, 1.0)
    watch.heard(1.3)
    watch.hint(CLOSED_PORT, 1.35)
    assert not watch.lost(1.0 + HINT_SECONDS)
    assert watch.lost(1.35 + HINT_SECONDS)


def test_a_path_that_was_never_measured_may_be_slow() -> None:
    watch = PathWatch(0.0)
    watch.hint(BROKEN_CHANNEL, 0.1)
    assert not watch.lost(0.1 + 2 * FIRST_ROUND_TRIP)
    assert watch.lost(0.1 + 3 * FIRST_ROUND_TRIP)


def test_a_path_that_broke_is_lost_whatever_was_heard_before() -> None:
    watch = PathWatch(0.0)
    watch.consented(1.0, asked=0.99)
    watch.broke()
    assert watch.lost(1.0)
    assert not watch.dead(1.0)


def test_checks_hurry_after_a_hint_no_more_than_the_path_can_answer() -> None:
    watch = PathWatch(0.0)
    assert watch.pause(0.5) == INTERVAL
    watch.hint(CLOSED_PORT, 0.6)
    assert watch.pause(0.7) == HURRIED_INTERVAL
    watch.consented(0.8, asked=0.0)
    watch.hint(CLOSED_PORT, 0.9)
    assert watch.pause(1.0) == 0.2
    watch.consented(10.0, asked=0.0)
    watch.hint(CLOSED_PORT, 10.1)
    assert watch.pause(10.2) == INTERVAL


def test_a_slow_path_is_given_three_round_trips() -> None:
    watch = PathWatch(0.0)
    watch.consented(1.0, asked=0.4)
    watch.hint(BROKEN_CHANNEL, 1.5)
    assert not watch.lost(3.2)
    watch.consented(3.21, asked=2.6)
    assert not watch.lost(3.4)


def test_a_path_that_comes_back_is_not_lost_any_more() -> None:
    watch = PathWatch(0.0)
    assert watch.lost(6.0)
    watch.consented(6.1, asked=6.0)
    assert not watch.lost(6.2)


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["heard", "hint", "consented"]))))
def test_who_is_heard_all_the_time_is_never_lost(events: list[tuple[float, str]]) -> None:
    watch = PathWatch(0.0)
    for at, what in sorted(events):
        match what:
            case "heard":
                watch.heard(at)
            case "hint":
                watch.hint(CLOSED_PORT, at)
            case _:
                watch.consented(at, asked=at)
        watch.consented(at + 0.01, asked=at)
        assert not watch.lost(at + 0.02)
