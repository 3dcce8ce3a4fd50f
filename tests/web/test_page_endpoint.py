"""The page endpoint, with a scripted page; tests/browser has the real one."""

import pytest
import trio
import trio.testing

from onmeet_node.media.endpoint import (
    Connected,
    Failed,
    IceServer,
    LocalCandidates,
    PathLost,
    SessionConfig,
    SourcesGone,
)
from onmeet_node.media.errors import SessionClosed
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import CallId, Candidate, Kind
from onmeet_node.web.messages import answers, media
from onmeet_node.web.messages import snapshots as snap
from onmeet_node.web.page_endpoint import PageEndpoint, PageSilent
from onmeet_node.web.pages import QUEUE, Pages

BOTH = frozenset(Kind)
CALL = CallId(bytes(range(16)))
CONFIG = SessionConfig(
    BOTH, ice_servers=(IceServer("turn:192.0.2.1", "u", "c"),), relay_only=True, call=CALL
)


@pytest.fixture
def pages():
    return Pages()


@pytest.fixture
def endpoint(pages, nursery):
    return PageEndpoint(pages, nursery)


async def opened(page):
    message = await page.outbox.receive()
    while isinstance(message, snap.Kept):  # tests/web/test_kept.py has those
        message = await page.outbox.receive()
    assert isinstance(message, media.OpenMedia)
    return message


async def test_a_page_is_told_what_to_open_and_gives_its_offer(pages, endpoint, nursery):
    page = pages.add()
    session = await endpoint.open_session(CONFIG)
    told = await opened(page)
    assert told.call == CALL.hex()
    assert told.relay_only
    assert told.servers == (media.Server(url="turn:192.0.2.1", username="u", credential="c"),)

    async def answer():
        asked = await page.outbox.receive()
        assert asked == media.MakeOffer(session=told.session)
        endpoint.take(page, media.Described(session=told.session, sdp="v=0"))

    nursery.start_soon(answer)
    assert await session.create_offer() == "v=0"
    endpoint.take(page, media.Found(session=told.session, candidates=(Candidate(candidate="c"),)))
    assert await session.events.receive() == LocalCandidates((Candidate(candidate="c"),), False)
    endpoint.take(page, media.MediaConnected(session=told.session, path=MediaPath.RELAY))
    assert await session.events.receive() == Connected(MediaPath.RELAY, None)


async def test_a_session_opens_in_the_page_looked_at_last(pages, endpoint, autojump_clock):
    first, second = pages.add(), pages.add()
    await trio.sleep(1)
    first.focused = trio.current_time()
    await endpoint.open_session(CONFIG)
    await opened(first)
    assert endpoint.session_of(CALL.hex()) == (first.number, 1)
    await endpoint.on_page(second).open_session(CONFIG)
    await opened(second)
    assert endpoint.session_of(CALL.hex()) == (second.number, 2)


async def test_a_page_that_goes_loses_the_path_and_the_next_one_goes_on(pages, endpoint, nursery):
    page = pages.add()
    bound = endpoint.on_page(page)
    session = await bound.open_session(CONFIG)
    endpoint.take(page, media.MediaConnected(session=session.number, path=MediaPath.HOST))
    pages.remove(page)
    assert [await session.events.receive() for _ in range(3)] == [
        Connected(MediaPath.HOST, None), SourcesGone(), PathLost(),
    ]  # fmt: skip
    later = []

    async def reopen():
        later.append(await bound.open_session(CONFIG))

    async with trio.open_nursery() as waiting:
        waiting.start_soon(reopen)
        await trio.testing.wait_all_tasks_blocked()
        assert not later
        other = pages.add()
    assert later[0].page is other


async def test_a_page_that_goes_before_it_is_connected_has_failed(pages, endpoint):
    page = pages.add()
    session = await endpoint.open_session(CONFIG)
    pages.remove(page)
    assert [await session.events.receive() for _ in range(2)] == [
        SourcesGone(), Failed("The page was closed."),
    ]  # fmt: skip


async def test_a_page_that_does_not_answer_is_named(pages, endpoint, autojump_clock):
    pages.add()
    session = await endpoint.open_session(CONFIG)
    with pytest.raises(PageSilent, match="reload"):
        await session.create_offer()


async def test_what_another_page_says_about_a_session_is_ignored(pages, endpoint):
    page, other = pages.add(), pages.add()
    session = await endpoint.on_page(page).open_session(CONFIG)
    endpoint.take(other, media.MediaPathLost(session=session.number))
    endpoint.take(page, media.MediaPathLost(session=99))
    with pytest.raises(trio.WouldBlock):
        session.events.receive_nowait()


async def test_a_closed_session_is_forgotten_and_says_so(pages, endpoint):
    page = pages.add()
    session = await endpoint.open_session(CONFIG)
    await session.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert endpoint.session_of(CALL.hex()) is None
    assert [page.outbox.receive_nowait() for _ in range(2)][1] == media.CloseMedia(session=1)
    with pytest.raises(SessionClosed):
        await session.create_offer()
    endpoint.take(page, media.MediaPathLost(session=1))


async def test_what_the_page_counts_is_what_stats_and_report_say(pages, endpoint):
    page = pages.add()
    session = await endpoint.open_session(CONFIG)
    endpoint.take(
        page,
        media.MediaCounters(
            session=session.number,
            streams=(media.StreamCounters(kind=Kind.VIDEO, frames_decoded=7, round_trip_ms=12),),
            local=("host/udp",),
            pairs=(media.PairSeen(local="host/udp", remote="host/udp", state="nominated"),),
            servers=(media.ServerSeen(kind="turn/udp", worked=False, error="401"),),
        ),
    )
    stats = await session.stats()
    assert (stats.streams[0].frames_decoded, stats.streams[0].round_trip_ms) == (7, 12.0)
    report = session.report()
    assert report.relay_only
    assert (report.pairs[0].state, report.servers[0].error) == ("nominated", "401")


async def test_a_page_that_does_not_read_is_closed(pages):
    page = pages.add()
    for number in range(QUEUE):
        assert page.send(answers.Done(id=number))
    assert not page.send(answers.Done(id=0))
    assert page.gone.is_set()
    assert not page.send(answers.Done(id=0))


async def test_frames_that_a_peer_sends_without_end_do_not_cost_the_person_the_page(
    pages, endpoint
):
    """They come through the page, but a guest or member sends them."""
    page = pages.add()
    session = await endpoint.open_session(CONFIG)
    told = await opened(page)
    for _ in range(1_000):
        endpoint.take(page, media.Carried(session=told.session, data=b"frame"))
    assert not page.gone.is_set()
    await session.aclose()


async def test_a_page_whose_connection_is_ending_is_told_nothing_more(pages):
    page = pages.add()
    page.outbox.close()
    assert page.send(media.CloseMedia(session=1)) is False
