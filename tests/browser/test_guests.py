"""Guests with a browser and a link: from the door to the words at the end."""

import re
import socket
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser import steps
from tests.browser.conftest import gateway, node, onmeet, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def stack():
    with ExitStack() as it:
        yield it


@pytest.fixture
def door(stack, tmp_path):
    return stack.enter_context(gateway(tmp_path / "bootstrap"))


WAS_USED = "This link was for one guest, once, and was used here."


def at_the_door(page, name):
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Knock").click()
    page.get_by_text("sees that you are here").wait_for()


def asked_only(side, origin):
    """P8: nobody but the operator's server, no cookie, nothing kept."""
    allowed = (origin, origin.replace("http", "ws"), "blob:", "data:")
    assert [url for url in side.requests if not url.startswith(allowed)] == []
    assert not [url for url in side.requests if "#" in url.replace(side.page.url, "")]
    assert side.context.cookies() == []
    kept = side.page.evaluate("() => [localStorage.length, sessionStorage.length]")
    assert kept == [0, 0]
    assert side.errors == []


def test_an_app_hosts_two_guests_one_admitted_and_one_denied(chromium, stack, door, tmp_path):
    home = tmp_path / "hedda"
    host = stack.enter_context(node(home, "--bootstrap", door["addresses"][0]))
    app = stack.enter_context(window(chromium, host.url))
    steps.first_run(app.page, "Hedda")
    host.command("profile", "--share", "name=everyone")
    app.page.get_by_text("Invite by a link").click()
    app.page.get_by_label("What the call is about").fill("Tuesday")
    app.page.get_by_label("For one guest, once").uncheck()
    app.page.get_by_role("button", name="Make the link").click()
    link = app.page.get_by_role("textbox", name="Guest link").input_value()
    assert link.startswith(door["guests"] + "/j#")

    mallory = stack.enter_context(window(chromium, link))
    mallory.page.get_by_role("heading", name="Hedda invites you to a call").wait_for()
    mallory.page.get_by_text("Tuesday").wait_for()
    at_the_door(mallory.page, "Mallory")
    app.page.get_by_text("Mallory wants to join").wait_for()
    app.page.get_by_role("button", name="Refuse", exact=True).click()
    mallory.page.get_by_text("Hedda did not let you in.").wait_for()

    gerda = stack.enter_context(window(chromium, link))
    at_the_door(gerda.page, "Gerda")
    app.page.get_by_role("button", name="Let in", exact=True).click()
    for page in (app.page, gerda.page):
        steps.wait_moving(page)
        steps.wait_heard(page)
    assert gerda.page.url == link, "it is for many, and works again"
    app.page.get_by_role("heading", name="Gerda").wait_for()
    gerda.page.get_by_role("heading", name="Hedda").wait_for()
    strings = []
    for page in (app.page, gerda.page):
        page.get_by_role("button", name="Details").click()
        page.locator(".sas").get_by_text(" ").wait_for()
        strings.append(page.locator(".sas").inner_text())
    assert strings[0] == strings[1]
    assert len(strings[0].replace(" ", "")) == 6

    gerda.page.keyboard.press("m")
    app.page.get_by_text("Gerda is muted").wait_for()
    gerda.page.get_by_role("button", name="Chat").click()
    gerda.page.get_by_label("Write a line").fill("hello from the door")
    gerda.page.get_by_role("button", name="Send").click()
    app.page.get_by_role("button", name="Chat").click()
    app.page.get_by_role("log", name="Chat").get_by_text("hello from the door").wait_for()

    app.page.get_by_role("button", name="Hang up").click()
    gerda.page.get_by_text("Hedda hung up.").wait_for()
    gerda.page.get_by_text("Your name and this call are gone.").wait_for()
    app.page.get_by_text("You hung up.").wait_for()
    assert "Gerda" not in gerda.page.content()
    [last, *_] = host.command("history")
    assert last["with"] == "A guest"
    for side in (mallory, gerda):
        asked_only(side, door["guests"])


def test_a_node_without_an_app_hosts_a_guest_who_leaves(chromium, stack, door, tmp_path):
    home = tmp_path / "bot"
    onmeet("init", "--home", home, "--name", "Door bell", "--key-file")
    options = ("--bootstrap", door["addresses"][0], "--source", "test")
    host = stack.enter_context(node(home, *options, app=False))
    host.event("reachable")
    link = host.command("invite", "--let-in", "--name", "Delivery")["url"]
    guest = stack.enter_context(window(chromium, link))
    guest.page.get_by_label("Your name").fill("Paul")
    guest.page.get_by_role("button", name="Join").click()
    steps.wait_moving(guest.page)
    steps.wait_heard(guest.page)
    guest.page.get_by_role("button", name="Hang up").click()
    guest.page.get_by_text("You hung up.").wait_for()
    guest.page.get_by_text("Your name and this call are gone.").wait_for()
    asked_only(guest, door["guests"])
    guest.page.get_by_text(WAS_USED).wait_for()
    assert guest.page.get_by_role("button", name="Try again").count() == 0


def test_a_link_for_one_guest_leaves_the_address_when_it_is_used_and_not_before(
    chromium, stack, door, tmp_path
):
    host = stack.enter_context(node(tmp_path / "hedda", "--bootstrap", door["addresses"][0]))
    app = stack.enter_context(window(chromium, host.url))
    steps.first_run(app.page, "Hedda")
    app.page.get_by_text("Invite by a link").click()
    app.page.get_by_role("button", name="Make the link").click()
    link = app.page.get_by_role("textbox", name="Guest link").input_value()

    gerda = stack.enter_context(window(chromium, link))
    at_the_door(gerda.page, "Gerda")
    assert gerda.page.url == link
    gerda.page.reload()  # whoever waits may do that, and waits on
    gerda.page.get_by_text("sees that you are here").wait_for()
    app.page.get_by_role("button", name="Let in", exact=True).click()
    steps.wait_moving(gerda.page)
    assert gerda.page.url == f"{door['guests']}/j#used"
    assert gerda.page.evaluate("() => history.length") == 2, "no way back to it"
    gerda.page.reload()
    gerda.page.get_by_role("alert").get_by_text(WAS_USED).wait_for()
    # Whoever kept the link finds nobody at it.
    late = stack.enter_context(window(chromium, link))
    said = "This link was closed|does not lead anywhere just now|has closed this link"
    late.page.get_by_text(re.compile(said)).wait_for()


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("", "This address has no link in it"),
        ("#used", "for one guest, once, and was used here"),
        ("#abc", "cut off or mistyped"),
        ("#AQ" + "A" * 96, "cut off or mistyped"),
        ("#Ag" + "A" * 96, "newer version"),
    ],
)
def test_a_link_that_is_none_says_which_and_what_to_do(chromium, stack, door, fragment, said):
    guest = stack.enter_context(window(chromium, f"{door['guests']}/j{fragment}"))
    guest.page.get_by_role("alert").get_by_text(said).wait_for()


@contextmanager
def _site_at(port, pages):
    """A web site of somebody else, on another origin; `pages` by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_call_inside_a_page_of_another_site_that_the_operator_allows(
    chromium, stack, tmp_path, allowed
):
    port = free_port()
    mine = f"http://127.0.0.1:{port}"
    pages = {}
    stack.enter_context(_site_at(port, pages))
    others = (mine,) if allowed else ("https://elsewhere.example",)
    door = stack.enter_context(gateway(tmp_path / "bootstrap", embed_allow=others))
    home = tmp_path / "bot"
    onmeet("init", "--home", home, "--name", "Shop", "--key-file")
    options = ("--bootstrap", door["addresses"][0], "--source", "test")
    host = stack.enter_context(node(home, *options, app=False))
    host.event("reachable")
    host.command("profile", "--share", "name=everyone")
    link = host.command("invite", "--let-in", "--room")["url"]
    pages["/"] = EMBEDDING.format(gateway=door["guests"], link=link)

    it = stack.enter_context(window(chromium, mine))
    page = it.page
    if not allowed:
        page.wait_for_timeout(1_000)
        assert any("frame-ancestors" in error for error in it.errors)
        assert page.evaluate("() => told.length") == 0
        return
    frame = the_frame(page, door["guests"])
    assert frame.get_by_label("Votre nom").input_value() == "Claire"
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert frame.evaluate(ground) == "rgb(18, 23, 30)", "the dark theme"
    frame.get_by_role("button", name="Rejoindre").click()
    steps.wait_moving(frame)
    page.evaluate("() => document.querySelector('onmeet-call').mute(true)")
    wait_told(page, {"event": "onmeet-media", "muted": True})
    page.evaluate("() => document.querySelector('onmeet-call').hangup()")
    wait_told(page, {"event": "onmeet-stage", "stage": "over"})
    told = page.evaluate("() => told")
    stages = [one["stage"] for one in told if "stage" in one]
    assert stages[-2:] == ["in", "over"]
    secret = link.partition("#")[2]
    assert secret not in str(told)
    assert page.evaluate("() => document.querySelector('onmeet-call').getAttribute('link')") is None
    assert page.evaluate("() => document.querySelector('onmeet-call').shadowRoot") is None
    assert not [url for url in it.requests if secret in url and "/e#" not in url]


EMBEDDING = """<!doctype html><html><body>
<script>
  const told = [];
  for (const name of ["ready", "stage", "media"])
    addEventListener(`onmeet-${{name}}`, (e) => told.push({{event: e.type, ...e.detail}}));
</script>
<script src="{gateway}/embed.js"></script>
<onmeet-call link="{link}" lang="fr" theme="dark" display-name="Claire"
  style="block-size: 600px"></onmeet-call></body></html>"""


def the_frame(page, origin):
    for _ in range(100):
        frames = [frame for frame in page.frames if frame.url.startswith(origin)]
        if frames:
            frames[0].get_by_label("Votre nom").wait_for()
            return frames[0]
        page.wait_for_timeout(100)
    raise AssertionError("the frame did not come")


def wait_told(page, wanted):
    for _ in range(100):
        for one in page.evaluate("() => told"):
            if wanted.items() <= one.items():
                return
        page.wait_for_timeout(100)
    raise AssertionError(f"never told {wanted}")


def test_a_link_leads_in_as_mail_and_messengers_hand_it_on(chromium, stack, door, tmp_path):
    home = tmp_path / "hedda"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file")
    host = stack.enter_context(node(home, "--bootstrap", door["addresses"][0], app=False))
    host.event("reachable")
    link = host.command("invite", "--room")["url"]
    page, _, fragment = link.partition("#")
    for url in (
        f"{link}.",
        f"{link}%3E",
        f"{page}#{fragment[:40]}=%0A{fragment[40:]}",
        f"{page}/#{fragment}",
        f"{page}%23{fragment}",
        f"{page}?utm_source=mail#{fragment}",
    ):
        guest = stack.enter_context(window(chromium, url))
        guest.page.get_by_label("Your name").wait_for()
        assert "%23" not in guest.page.url
        guest.page.close()
