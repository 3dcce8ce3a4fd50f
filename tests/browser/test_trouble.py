"""What the browser asks, forbids and keeps silent, and what a person is told of it."""

from contextlib import ExitStack

import pytest

from tests.browser import steps
from tests.browser.conftest import CHROMIUM, FLAGS, calling, gateway, node, onmeet, window
from tests.browser.test_guests import _site_at, free_port

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

OPEN_QUESTION = (
    steps.SPY
    + """
{ const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
  const answered = new Promise((done) => (window.answer = done));
  media.getUserMedia = async (wish) => { await answered; return await open(wish); }; }
"""
)
ASKS = "The browser asks whether this page may use the camera."


@pytest.fixture
def stack():
    with ExitStack() as it:
        yield it


@pytest.fixture
def site():
    """Where another site is that may show the guest page."""
    return free_port()


@pytest.fixture
def link(stack, tmp_path, site):
    """Of a host who lets in at once, and shows a moving picture."""
    others = (f"http://127.0.0.1:{site}",)
    door = stack.enter_context(gateway(tmp_path / "bootstrap", embed_allow=others))
    home = tmp_path / "hedda"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file")
    options = ["--bootstrap", door["addresses"][0], "--source", "test"]
    host = stack.enter_context(node(home, *options, app=False))
    host.event("reachable")
    return host.command("invite", "--let-in", "--room")["url"]


def test_a_guest_sees_the_host_while_the_browser_asks_and_is_seen_once_it_may(
    chromium, stack, link
):
    page = stack.enter_context(window(chromium, link, script=OPEN_QUESTION)).page
    page.get_by_label("Your name").fill("Gina")
    page.get_by_role("button", name="Join").click()
    steps.wait_moving(page)
    note = page.locator(".hint").filter(has_text=ASKS)
    note.wait_for()
    page.get_by_role("button", name="Unmute").wait_for()
    assert steps.sent(page) == set()
    note.get_by_role("button", name="Hide this note").click()
    note.wait_for(state="detached")
    page.evaluate("window.answer()")
    steps.wait_sent(page, "audio", "video")
    page.get_by_role("button", name="Mute", exact=True).wait_for()


def test_a_page_that_may_make_no_sound_asks_for_a_click_and_rings_from_then_on(
    chromium, stack, tmp_path
):
    ann = stack.enter_context(node(tmp_path / "ann"))
    first = stack.enter_context(window(chromium, ann.url))
    code = steps.first_run(first.page, "Ann")
    onmeet("init", "--home", tmp_path / "bob", "--name", "Bob", "--key-file")
    address = ann.event("started")["addresses"][0]
    bob = stack.enter_context(node(tmp_path / "bob", "--bootstrap", address, app=False))
    bob.event("reachable")
    bob.command("contacts", "add", code)
    steps.accept_request(first.page)
    bob.event("contact-accepted")
    first.context.close()
    flags = [one for one in FLAGS if not one.startswith("--autoplay")]
    strict = "--autoplay-policy=document-user-activation-required"
    browser = chromium.browser_type.launch(executable_path=str(CHROMIUM), args=[*flags, strict])
    stack.callback(browser.close)
    page = stack.enter_context(window(browser, ann.command("open")["url"])).page
    ask = page.get_by_role("button", name="Let On-Meet ring: click once")
    ask.wait_for()
    with calling(str(tmp_path / "bob"), "Ann"):
        page.get_by_role("button", name="Decline", exact=True).wait_for()
        assert bob.event("ringing")["ring"] == "delivered"
        page.keyboard.press("Shift+Tab")
        while bob.events.get(timeout=60).get("ring") != "alerting":
            pass
        page.get_by_role("button", name="Decline", exact=True).click()
    ask.wait_for(state="detached")


def test_a_frame_that_was_not_allowed_the_camera_leads_to_a_window_of_its_own(
    chromium, stack, link, site
):
    around = f'<!doctype html><iframe src="{link.replace("/j#", "/e#")}"></iframe>'
    stack.enter_context(_site_at(site, {"/": around}))
    page = stack.enter_context(window(chromium, f"http://127.0.0.1:{site}")).page
    frame = page.frame_locator("iframe")
    frame.get_by_text("The site around this frame does not let it use the camera.").wait_for()
    own = frame.get_by_role("link", name="Open this call in a window of its own")
    with page.context.expect_page() as opened:
        own.click()
    opened.value.set_default_timeout(30_000)
    opened.value.get_by_label("Your name").wait_for()
    assert opened.value.url == link
    opened.value.get_by_text("Begin with the camera on").wait_for()
    assert opened.value.get_by_role("alert").count() == 0
