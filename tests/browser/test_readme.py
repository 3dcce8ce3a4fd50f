"""The README's "Try it alone", step by step."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.browser import steps
from tests.browser.conftest import window

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
