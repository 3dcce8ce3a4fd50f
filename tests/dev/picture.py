"""Makes docs/app.png anew: ``python -m tests.dev.picture``. A room of three people, in Chromium.

Needs the built pages and Debian's Chromium. The cameras are Chromium's fake ones.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, missing
from tests.browser.test_rooms import join_by_code, make_room, people_in, wait_tiles

PICTURE = Path(__file__).parents[2] / "docs" / "app.png"
SIZE = {"width": 1280, "height": 720}
MAX_BYTES = 150_000


def main() -> None:
    """Writes the picture, unless it would show a machine in need."""
    if why := missing():
        raise SystemExit(why)
    with sync_playwright() as playwright, ExitStack() as stack:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        stack.callback(browser.close)
        homes = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, people = people_in(
            stack, browser, homes, "Ada", "Ben", "Chloé", viewport=SIZE, reduced_motion="reduce"
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
            if at_ada.page.get_by_text(sign).count():
                raise SystemExit(f"The picture would say: {sign}. Try again on a quiet machine.")
    if len(picture) >= MAX_BYTES:
        raise SystemExit(f"The picture has {len(picture)} bytes, more than a README should load.")
    PICTURE.write_bytes(picture)


if __name__ == "__main__":
    main()
