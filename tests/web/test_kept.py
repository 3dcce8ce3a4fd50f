"""What of a call outlives the page that carries it: scripted pages. Real ones: tests/browser."""

import pytest
import trio

from onmeet_node.media.endpoint import SessionConfig
from onmeet_node.protocol.wire.messages import CallId, Kind
from onmeet_node.web.messages import media, own
from onmeet_node.web.messages import snapshots as snap
from onmeet_node.web.page_endpoint import PageEndpoint
from onmeet_node.web.pages import Pages

CALL = CallId(bytes(range(16)))
TARGET = CALL.hex()
CONFIG = SessionConfig(frozenset(Kind), call=CALL)
ROOM = bytes(range(50, 66))


@pytest.fixture
def pages():
    return Pages()


@pytest.fixture
def endpoint(pages, nursery):
    return PageEndpoint(pages, nursery)


async def test_the_page_that_goes_on_with_a_call_hears_how_things_stand_before_it(
    pages, endpoint, autojump_clock
):
    first = pages.add()
    await endpoint.on_page(first).open_session(CONFIG)
    told = own.Keep(target=TARGET, muted=True, camera_off=False, speaker="headphones")
    endpoint.kept.take(first, told)
    endpoint.kept.take(first, own.Keep(target=TARGET, draft="on my w", draft_to="ab" * 32))
    second = pages.add()
    (state,) = endpoint.kept.all()  # as `LocalApp.welcome` says it
    assert (state.muted, state.camera_off, state.speaker) == (True, False, "headphones")
    assert (state.draft, state.draft_to) == ("on my w", "ab" * 32)
    pages.remove(first)
    await endpoint.on_page(second).open_session(CONFIG)
    with trio.fail_after(5):
        assert isinstance(await second.outbox.receive(), media.OpenMedia)
    assert endpoint.kept.all() == (state,)


async def test_another_page_is_told_of_each_change_and_the_teller_is_not(pages, endpoint):
    first, second = pages.add(), pages.add()
    await endpoint.on_page(first).open_session(CONFIG)
    assert isinstance(await first.outbox.receive(), media.OpenMedia)
    endpoint.kept.take(first, own.Keep(target=TARGET, muted=False, camera_off=True))
    heard = await second.outbox.receive()
    assert isinstance(heard, snap.Kept)
    assert (heard.muted, heard.camera_off) == (False, True)
    with pytest.raises(trio.WouldBlock):
        first.outbox.receive_nowait()


@pytest.mark.parametrize("in_a_room", [False, True])
async def test_a_call_whose_page_went_without_a_word_goes_on_silent_and_dark(
    pages, endpoint, in_a_room
):
    config = SessionConfig(CONFIG.kinds, call=CALL, room=ROOM if in_a_room else None)
    first = pages.add()
    await endpoint.on_page(first).open_session(config)
    pages.remove(first)
    second = pages.add()
    await endpoint.on_page(first).open_session(config)
    state = await second.outbox.receive()
    assert isinstance(state, snap.Kept), "before it is asked to open anything"
    assert (state.muted, state.camera_off) == (True, True)
    assert isinstance(await second.outbox.receive(), media.OpenMedia)


async def test_a_page_gone_before_its_first_connection_leaves_a_silent_call(pages, endpoint):
    first = pages.add()
    bound = endpoint.on_page(first)
    pages.remove(first)
    second = pages.add()
    await bound.open_session(CONFIG)
    state = await second.outbox.receive()
    assert isinstance(state, snap.Kept)
    assert state.muted


async def test_a_call_that_one_page_began_is_as_its_person_wants_it(pages, endpoint):
    page = pages.add()
    for _ in range(2):  # and a second path of it
        await endpoint.on_page(page).open_session(CONFIG)
    assert endpoint.kept.all() == ()


async def test_nothing_of_a_call_is_kept_when_it_is_over(pages, endpoint):
    page = pages.add()
    endpoint.kept.take(page, own.Keep(target=TARGET, draft="never sent"))
    endpoint.kept.forget(TARGET)
    assert endpoint.kept.all() == ()


async def test_a_draft_is_in_no_log(pages):
    assert "secret" not in repr(own.Keep(target=TARGET, draft="secret"))
