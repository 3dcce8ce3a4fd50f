"""A guest who waits: for a host who is not there yet, and while they look elsewhere."""

import re

import pytest

from tests.browser.conftest import gateway, node, onmeet, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

ELSEWHERE = """() => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
EARS = """
window.sounds = 0; window.notes = [];
{ const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...all) {
    window.sounds += 1; return start.apply(this, all); }; }
window.Notification = class {
  static permission = "granted"; constructor(text) { window.notes.push(text); } close() {} };
"""


def test_who_is_early_is_at_the_door_when_it_opens_and_notices_being_let_in(chromium, tmp_path):
    home = tmp_path / "hedda"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file")
    with gateway(tmp_path / "bootstrap", tries_per_minute=1e6) as at:
        options = ("--bootstrap", at["addresses"][0], "--source", "test")
        with node(home, *options, app=False, keep=True) as hedda:
            hedda.event("reachable")
            link = hedda.command("invite", "--room")["url"]
        with window(chromium, link, script=EARS) as guest:
            guest.page.get_by_text("Tries so far").wait_for()
            with node(home, *options, app=False) as hedda:
                hedda.event("reachable")
                guest.page.get_by_label("Your name").fill("Gina")
                guest.page.get_by_role("button", name="Knock").click()
                guest.page.get_by_text(re.compile("knock has reached|that you are here")).wait_for()
                guest.page.evaluate(ELSEWHERE)
                hedda.command("admit", "Gina")
                guest.page.wait_for_function("document.title.startsWith('● ')")
                assert "let you in" in guest.page.title()
                sounds, notes = guest.page.evaluate("[window.sounds, window.notes.length]")
                assert sounds > 0
                assert notes == 1
