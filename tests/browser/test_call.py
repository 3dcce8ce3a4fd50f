"""Two people who have never seen the app: from the first run to the history."""

import pytest

from tests.browser import steps
from tests.browser.conftest import node, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def test_from_the_first_run_to_the_history(chromium, tmp_path):
    with node(tmp_path / "ann") as ann, window(chromium, ann.url) as at_ann:
        code = steps.first_run(at_ann.page, "Ann")
        address = ann.event("started")["addresses"][0]
        with (
            node(tmp_path / "bob", "--bootstrap", address) as bob,
            window(chromium, bob.url) as at_bob,
        ):
            steps.first_run(at_bob.page, "Bob")
            steps.add(at_bob.page, code, "It is me")
            at_ann.page.get_by_text("It is me").first.wait_for()
            steps.accept_request(at_ann.page)
            at_bob.page.get_by_role("button", name="Call Ann").wait_for()

            steps.start_call(at_bob.page, "Ann")
            at_ann.page.get_by_role("button", name="Answer with video").click()
            for page in (at_ann.page, at_bob.page):
                steps.wait_moving(page)
                assert steps.loudness(page) > 0.01
            at_bob.page.get_by_role("button", name="Hang up").click()
            at_ann.page.get_by_text("Bob hung up.").wait_for()
            at_bob.page.get_by_text("You hung up.").wait_for()
            for page in (at_ann.page, at_bob.page):
                page.get_by_role("button", name="Close").click()
                page.get_by_role("button", name="History").click()
                page.get_by_text("hung up.").first.wait_for()
            assert at_ann.errors == at_bob.errors == []
