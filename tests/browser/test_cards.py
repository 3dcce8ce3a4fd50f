"""What people show each other in the app: a picture, a note on declining, a camera turned on."""

import re

import pytest

from tests.browser import steps
from tests.browser.people import asked, two_people
from tests.protocol.identity.test_picture import EXIF, PLAIN

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

WIDTH = "(img) => img.decode().then(() => img.naturalWidth)"


def test_what_is_about_to_be_pressed_stays_where_it_is_when_news_comes(chromium, tmp_path):
    with asked(chromium, tmp_path) as ((_, at_ann), (_, at_bob)):
        call = at_bob.page.get_by_role("button", name="Call Ann")
        call.wait_for()
        at_bob.page.get_by_text(re.compile("request reached them|are not online now")).wait_for()
        before = call.bounding_box()
        steps.accept_request(at_ann.page)
        at_bob.page.get_by_role("log").get_by_text("Ann").wait_for()
        assert call.bounding_box() == before


def test_a_chosen_picture_is_seen_by_a_contact_until_it_is_hidden_from_them(chromium, tmp_path):
    with two_people(chromium, tmp_path) as (ann, bob):
        ann.get_by_role("button", name="Settings", exact=True).click()
        choose = ann.get_by_label("Picture", exact=True)
        hostile = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": b"<svg onload=alert(1)>"}
        choose.set_input_files(hostile)
        ann.get_by_text("cannot read this file as a picture").wait_for()
        photo = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": PLAIN[:2] + EXIF + PLAIN[2:]}
        choose.set_input_files(photo)
        for page in (ann, bob):
            assert page.locator(".avatar img").first.evaluate(WIDTH) == 256

        ann.get_by_role("button", name="People", exact=True).click()
        ann.get_by_role("button", name="Bob", exact=True).click()
        ann.get_by_role("heading", name="What Bob sees of you").wait_for()
        ann.get_by_label("Picture").select_option("Hidden")
        bob.locator(".avatar img").wait_for(state="detached")
        ann.get_by_label("Picture").select_option("As my contacts do")
        bob.locator(".avatar img").wait_for()


def test_a_caller_reads_the_note_of_whoever_declines(chromium, tmp_path):
    with two_people(chromium, tmp_path) as (ann, bob):
        steps.start_call(bob, "Ann")
        ann.get_by_role("button", name="Decline with a note").click()
        ann.get_by_label("Your note").fill("<b>In a meeting</b> until five")
        ann.get_by_role("button", name="Decline and send").click()
        bob.get_by_text("Ann declined the call.").wait_for()
        bob.get_by_text("<b>In a meeting</b> until five").wait_for()
        bob.get_by_role("button", name="Close").click()
        bob.get_by_role("button", name="History").click()
        bob.get_by_text("<b>In a meeting</b> until five").wait_for()


def test_a_camera_can_be_turned_on_in_a_call_that_began_with_sound(chromium, tmp_path):
    with two_people(chromium, tmp_path) as (ann, bob):
        bob.get_by_role("button", name="Ann", exact=True).click()
        bob.get_by_role("button", name="Call with sound only").click()
        bob.get_by_role("button", name="Call", exact=True).click()
        ann.get_by_role("button", name="Answer with sound").click()
        ann.get_by_text("Bob has the camera off").wait_for()
        steps.wait_heard(ann)
        bob.get_by_role("button", name="Camera on").click()
        steps.wait_moving(ann)
        bob.get_by_role("button", name="Hang up").click()
