"""Unwelcome people who came by a code: the app says by which one, and ends it in one step."""

import time

import pytest

from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.messages import CallId, Card
from onmeet_node.store import (
    AudienceKind,
    CallRecord,
    Contact,
    ContactState,
    KeyFile,
    create_home,
    open_home,
)
from onmeet_node.store.history import by_code
from tests.browser.conftest import node, window
from tests.browser.test_screens import Screens

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]


def visited_home(home):
    """Somebody came by the code “web”, called, and asks to be a contact."""
    now = int(time.time())
    mallory = Identity(IdentityKey.from_seed(b"m" * 32).public)
    create_home(home, KeyFile(), b"s" * 32, now=now)
    with open_home(home, KeyFile()) as store:
        code = store.audiences.add(AudienceKind.CODE, secret=b"c" * 16, now=now, label="web")
        store.contacts.save(
            Contact(
                identity=mallory,
                state=ContactState.REQUESTED_BY_THEM,
                added=now,
                card=Card(name="Mallory"),
                via=code.label,
                audience=code.id,
            )
        )
        store.calls.save(
            CallRecord(
                call=CallId(b"i" * 16),
                peer=mallory,
                outgoing=False,
                started=now,
                ended=now,
                reason=EndReason.MISSED,
                came_by=by_code(code.id),
            )
        )


def test_a_request_says_by_which_code_it_came_and_both_go_in_one_step(chromium, tmp_path):
    screens = Screens()
    visited_home(tmp_path / "ann")
    with (
        node(tmp_path / "ann") as ann,
        window(chromium, ann.url, bypass_csp=True, reduced_motion="reduce") as at_ann,
    ):
        page = at_ann.page
        page.get_by_text("Came by your code “web”").wait_for()
        screens.look(page, "request-by-code")
        page.get_by_role("button", name="History", exact=True).click()
        page.get_by_text("Came by your code “web”").wait_for()
        screens.look(page, "history-by-code")
        page.get_by_role("button", name="People", exact=True).click()
        page.get_by_role("button", name="Withdraw this code").click()
        page.get_by_text("delete all requests that came by it").wait_for()
        screens.look(page, "withdraw-ask")
        page.get_by_role("dialog").get_by_role("button", name="Withdraw this code").click()
        page.get_by_text("asks to be your contact").wait_for(state="detached")
        page.get_by_text("You have no code.").wait_for()
        assert ann.command("contacts", "list") == []
        assert ann.command("code", "list") == []
    assert screens.findings == {}
