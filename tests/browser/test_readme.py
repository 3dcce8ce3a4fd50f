"""The README's "Try it alone", step by step, and its picture."""

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.browser import steps
from tests.browser.conftest import window
from tests.browser.test_rooms import join_by_code, make_room, people_in, wait_tiles

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]


@contextmanager
def onmeet_up(home):
    """``ONMEET_HOME=… onmeet up``; gives the address that the browser would be opened with."""
    process = subprocess.Popen(
        [sys.executable, "-m", "onmeet_node.cli", "up", "--app", "--no-browser", "--json"],
        env={**os.environ, "ONMEET_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "app":
                yield event["url"]
                break
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_two_windows_on_one_machine_call_each_other_with_nothing_set_up(chromium, tmp_path):
    with (
        onmeet_up(tmp_path / "first") as one,
        onmeet_up(tmp_path / "second") as two,
        window(chromium, one) as first,
        window(chromium, two) as second,
    ):
        code = steps.first_run(first.page, "Ann")
        steps.first_run(second.page, "Bob")
        steps.add(second.page, code)
        steps.accept_request(first.page)
        steps.start_call(second.page, "Ann")
        first.page.get_by_role("button", name="Answer with video").click()
        for side in (first, second):
            steps.wait_moving(side.page)


PICTURE = Path(__file__).parents[2] / "docs" / "app.png"
ANEW = os.environ.get("ONMEET_PICTURE") == "1"


@pytest.mark.skipif(
    not ANEW and os.environ.get("ONMEET_FULL") != "1",
    reason="what it does is tested in test_rooms; ONMEET_PICTURE=1 makes docs/app.png anew",
)
def test_the_picture_of_a_room_can_be_made_anew(chromium, tmp_path):
    """`ONMEET_PICTURE=1 pytest tests/browser/test_readme.py -k picture` writes docs/app.png."""
    size = {"width": 1280, "height": 720}
    with ExitStack() as stack:
        _, people = people_in(
            stack, chromium, tmp_path, "Ada", "Ben", "Chloé", viewport=size, reduced_motion="reduce"
        )
        (ada, at_ada), (_, at_ben), (_, at_chloe) = people.values()
        make_room(at_ada.page, "Tuesday team", standing=True)
        code = ada.command("room", "code", "Tuesday team")["code"]
        for other in (at_ben, at_chloe):
            join_by_code(other.page, code)
        wait_tiles(at_ada.page, "You", "Ben", "Chloé")
        wait_tiles(at_ben.page, "You", "Ada", "Chloé")
        at_ada.page.get_by_role("button", name="People").first.click()
        at_ada.page.get_by_text(re.compile(r"^\d{4} \d{4} \d{4}$")).wait_for()
        at_ada.page.mouse.move(0, 0)
        picture = at_ada.page.screenshot(type="png")
        for sign in ("Something is not right", "Reconnecting"):
            assert not at_ada.page.get_by_text(sign).count(), "no picture of a machine in need"
    if ANEW:
        PICTURE.write_bytes(picture)
    assert len(picture) < 150_000
    assert picture[16:20] == PICTURE.read_bytes()[16:20], "as wide as the one in docs/"
