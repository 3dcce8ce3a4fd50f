"""How often one party may do something, whoever counts it and however its clock jumps."""

from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.net.rates import AllowedRate, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_then_requests_pass_at_the_set_pace():
    clock = Clock()
    limit = RateLimit(AllowedRate(per_minute=6, burst=3), clock)
    assert [limit.allow("a") for _ in range(5)] == [True, True, True, False, False]
    clock.now += 9.9
    assert not limit.allow("a")
    clock.now += 0.2
    assert limit.allow("a")
    assert not limit.allow("a")


def test_one_asker_does_not_use_up_anothers_share():
    limit = RateLimit(AllowedRate(per_minute=1, burst=1), Clock())
    assert limit.allow("a")
    assert not limit.allow("a")
    assert limit.allow("b")


def test_an_asker_who_has_rested_is_forgotten():
    clock = Clock()
    limit = RateLimit(AllowedRate(per_minute=60, burst=5), clock)
    for name in "abc":
        limit.allow(name)
    assert len(limit) == 3
    clock.now += 10
    limit.allow("d")
    assert len(limit) == 1


def test_memory_stays_bounded_under_many_askers():
    limit = RateLimit(AllowedRate(per_minute=1, burst=1), Clock(), max_keys=50)
    for number in range(500):
        limit.allow(str(number))
    assert len(limit) == 50


@given(st.lists(st.floats(min_value=0, max_value=20), max_size=60))
def test_never_more_than_the_burst_plus_the_pace(gaps: list[float]):
    clock = Clock()
    limit = RateLimit(AllowedRate(per_minute=30, burst=4), clock)
    start, passed = clock.now, 0
    for gap in gaps:
        clock.now += gap
        passed += limit.allow("a")
        assert passed <= 4 + (clock.now - start) / 2 + 1e-6


def test_a_clock_that_jumps_back_gives_nobody_more_and_takes_nothing_away():
    clock = Clock()
    limit = RateLimit(AllowedRate(per_minute=6, burst=3), clock)
    assert limit.allow("a")
    clock.now -= 3_600
    assert [limit.allow("a") for _ in range(3)] == [True, True, False]
    clock.now += 10
    assert limit.allow("a"), "it goes on at its pace"
    assert not limit.allow("a")


def test_who_is_refused_again_and_again_is_not_forgotten_for_others():
    limit = RateLimit(AllowedRate(per_minute=1, burst=1), Clock(), max_keys=3)
    assert limit.allow("flooder")
    for number in range(20):
        assert not limit.allow("flooder")
        limit.allow(str(number))


def test_who_was_not_heard_of_for_longest_is_counted_anew():
    limit = RateLimit(AllowedRate(per_minute=1, burst=1), Clock(), max_keys=3)
    for name in "abcd":
        assert limit.allow(name)
    assert limit.allow("a")
    assert not limit.allow("d")
