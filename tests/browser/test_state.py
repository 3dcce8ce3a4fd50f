"""What a person set stays so: over reloads and moves, in all screens, and without storage."""

import json
from contextlib import ExitStack, contextmanager

import pytest

from tests.browser import steps
from tests.browser.conftest import FLAGS, WHOLE_CHROMIUM, gateway, node, onmeet, window
from tests.browser.people import beside_a_headless_node

pytestmark = pytest.mark.real

UNMUTE, CAMERA_ON = "Unmute", "Camera on"


@pytest.fixture
def stack():
    with ExitStack() as it:
        yield it


@contextmanager
def in_a_call(chromium, tmp_path):
    """Ann in her page with Bob, who answers without one."""
    with beside_a_headless_node(chromium, tmp_path, script=steps.SPY) as (ann, at_ann, bob):
        steps.start_call(at_ann.page, "Bob")
        steps.wait_moving(at_ann.page)
        steps.wait_sent(at_ann.page, "audio", "video")
        yield ann, at_ann.page, bob


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def test_muted_with_the_camera_off_stays_so_over_a_reload_and_in_another_window(chromium, tmp_path):
    with in_a_call(chromium, tmp_path) as (ann, page, bob):
        page.keyboard.press("m")
        page.keyboard.press("v")
        button(page, UNMUTE).wait_for()
        button(page, CAMERA_ON).wait_for()
        button(page, "Chat").click()
        page.get_by_label("Write a line").fill("not sent yet")
        steps.wait_sent(page)
        told = {}
        while not (told.get("muted") and told.get("camera_off")):
            told = bob.events.get(timeout=60)
            bob.seen.append(told)
        said_before = len(bob.seen)

        page.reload()
        steps.wait_moving(page)
        button(page, UNMUTE).wait_for()
        button(page, CAMERA_ON).wait_for()
        button(page, "Chat").click()
        assert page.get_by_label("Write a line").input_value() == "not sent yet"
        assert steps.sent(page) == set()

        with window(chromium, ann.command("open")["url"], script=steps.SPY) as other:
            button(other.page, "Move it here").click()
            steps.wait_moving(other.page)
            button(other.page, UNMUTE).wait_for()
            button(other.page, CAMERA_ON).wait_for()
            assert steps.sent(other.page) == set()
            button(other.page, "Hang up").click()
        bob.event("ended")
        told = [one for one in bob.seen[said_before:] if one["event"] == "peer-media"]
        assert [one for one in told if not one["muted"] or not one["camera_off"]] == []


def test_the_microphone_is_open_only_while_space_is_held(chromium, tmp_path):
    with in_a_call(chromium, tmp_path) as (_, page, _):
        heading = page.locator("h1").first
        heading.click()
        page.keyboard.press("m")
        steps.wait_sent(page, "video")

        def hold():
            heading.click()
            page.keyboard.down("Space")
            steps.wait_sent(page, "audio", "video")

        hold()
        page.keyboard.up("Space")
        steps.wait_sent(page, "video")
        for why in ("blur", "pagehide"):  # what a browser says when another window is looked at
            hold()
            page.evaluate("(why) => window.dispatchEvent(new Event(why))", why)
            steps.wait_sent(page, "video")
            page.keyboard.up("Space")
        hold()
        page.keyboard.down("Control")
        steps.wait_sent(page, "video")
        page.keyboard.up("Control")
        page.keyboard.up("Space")
        button(page, "Chat").click()
        hold()
        page.get_by_label("Write a line").click()
        steps.wait_sent(page, "video")
        page.keyboard.up("Space")
        hold()
        button(page, "Mute").click()  # while it is held
        steps.wait_sent(page, "video")
        page.keyboard.up("Space")
        # A mouse leaves the focus on the button, which Space would press again.
        for name in ("Unmute", "Mute"):
            button(page, name).click()
        page.keyboard.down("Space")
        steps.wait_sent(page, "audio", "video")
        page.keyboard.up("Space")
        steps.wait_sent(page, "video")
        assert steps.sent(page) == {"video"}


@pytest.fixture
def door(tmp_path):
    with gateway(tmp_path / "bootstrap") as it:
        yield it


def test_letting_a_guest_in_leaves_the_camera_as_it_was_set(chromium, stack, door, tmp_path):
    host = stack.enter_context(node(tmp_path / "hedda", "--bootstrap", door["addresses"][0]))
    app = stack.enter_context(window(chromium, host.url, script=steps.SPY))
    page = app.page
    steps.first_run(page, "Hedda")
    host.event("reachable")
    page.get_by_role("button", name="Rooms", exact=True).click()
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_label("Begin with the camera on").uncheck()
    page.get_by_role("button", name="Cancel").click()
    link = host.command("invite", "--room")["url"]
    guest = stack.enter_context(window(chromium, link, script=steps.SPY)).page
    guest.get_by_label("Your name").fill("Gina")
    guest.get_by_role("button", name="Knock").click()
    button(page, "Let in").click()
    steps.wait_sent(page, "audio")
    button(page, CAMERA_ON).wait_for()

    # The guest mutes, and reloads by a slip: asked first, and back at the door as they were.
    guest.keyboard.press("m")
    button(guest, UNMUTE).wait_for()
    asked = []
    guest.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    guest.reload()
    assert asked == ["beforeunload"]
    button(page, "Let in").click()
    button(guest, UNMUTE).wait_for()
    steps.wait_sent(guest, "video")
    button(guest, "Hang up").click()
    guest.get_by_text("Your name and this call are gone.").wait_for()
    assert "Gina" not in guest.evaluate("() => JSON.stringify({...sessionStorage})")


def test_muted_and_hand_up_in_a_room_stays_so_over_reloads_of_host_and_guest(
    chromium, stack, door, tmp_path
):
    host = stack.enter_context(node(tmp_path / "hedda", "--bootstrap", door["addresses"][0]))
    page = stack.enter_context(window(chromium, host.url, script=steps.SPY)).page
    steps.first_run(page, "Hedda")
    host.event("reachable")
    page.get_by_role("button", name="Rooms", exact=True).click()
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_role("button", name="Come in").click()
    for name in ("Mute", "Stop camera", "Raise hand", "Chat"):
        button(page, name).click()
    page.get_by_label("Write a line").fill("not sent yet")
    button(page, "Lower hand").wait_for()
    page.reload()  # alone
    for name in ("Unmute", "Start camera", "Lower hand"):
        button(page, name).wait_for()
    button(page, "Chat").click()
    assert page.get_by_label("Write a line").input_value() == "not sent yet"

    link = host.command("room", "link", "--let-in")["url"]
    guest = stack.enter_context(window(chromium, link, script=steps.SPY)).page
    guest.get_by_label("Your name").fill("Gina")
    guest.get_by_role("button", name="Join").click()
    steps.wait_sent(guest, "audio", "video")
    page.reload()  # with somebody
    button(page, UNMUTE).wait_for()
    button(guest, "Mute").click()
    steps.wait_sent(guest, "video")
    guest.reload()
    steps.wait_sent(guest, "video")
    button(guest, UNMUTE).wait_for()
    assert steps.sent(page) == set()


@pytest.mark.parametrize("allowed", [0, 2], ids=["storage", "none"])
def test_a_guest_is_asked_for_a_name_where_the_browser_stores_nothing(
    chromium, stack, door, tmp_path, allowed
):
    """`allowed` as Chromium counts: 0 blocks nothing, 2 all cookies and with them all storage."""
    home = tmp_path / "profile"
    (home / "Default").mkdir(parents=True)
    blocked = {"profile": {"default_content_setting_values": {"cookies": allowed}}}
    (home / "Default" / "Preferences").write_text(json.dumps(blocked if allowed else {}))
    host_home = tmp_path / "shop"
    onmeet("init", "--home", host_home, "--name", "Shop", "--key-file")
    options = ("--bootstrap", door["addresses"][0], "--source", "test")
    host = stack.enter_context(node(host_home, *options, app=False))
    host.event("reachable")
    link = host.command("invite", "--let-in")["url"]
    context = chromium.browser_type.launch_persistent_context(
        str(home), executable_path=str(WHOLE_CHROMIUM), args=FLAGS, locale="en-GB"
    )
    stack.callback(context.close)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(link)
    page.get_by_label("Your name").fill("Gina")
    page.get_by_role("button", name="Join").click()
    steps.wait_moving(page)
    assert errors == []
