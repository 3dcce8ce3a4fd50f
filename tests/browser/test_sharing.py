"""Sharing a screen: what is sent of its sound, and what is said when it does not come about."""

import pytest

from tests.browser import steps
from tests.browser.people import beside_a_headless_node

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

SENT_SOUND = """async () => {
  const track = window.connections.filter((pc) => pc.connectionState === "connected")
    .flatMap((pc) => pc.getSenders()).map((one) => one.track).find((one) => one?.kind === "audio");
  const context = new AudioContext(), analyser = context.createAnalyser();
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  let loudest = -200;
  for (let n = 0; n < 30; n++) {
    await new Promise((done) => setTimeout(done, 100));
    analyser.getFloatFrequencyData(bins);
    loudest = Math.max(loudest, ...bins);
  }
  await context.close();
  return loudest;
}"""
"""The loudest part of the spectrum of what goes out, in dB; the fake sound beeps once a second."""

NO_CHOICE = """() => {
  window.choose = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getDisplayMedia = async () => {
    throw new DOMException("Permission denied", "NotAllowedError");
  };
}"""
"""The person closes the picker."""


@pytest.fixture
def at_ann(whole_chromium, tmp_path):
    """Ann's page, in a call with Bob, who has none."""
    with beside_a_headless_node(whole_chromium, tmp_path, script=steps.SPY) as (_, at_ann, _):
        steps.start_call(at_ann.page, "Bob")
        steps.wait_moving(at_ann.page)
        yield at_ann.page


def test_who_is_muted_and_shares_the_screen_sends_no_voices_back(at_ann):
    at_ann.keyboard.press("m")
    at_ann.get_by_role("button", name="Unmute").wait_for()
    at_ann.get_by_role("button", name="Share screen").click()
    at_ann.get_by_role("button", name="Stop sharing").wait_for()
    # All of the computer's sound, which this browser does not rid of ours.
    at_ann.get_by_text("The screen is shared without its sound").wait_for()
    assert at_ann.evaluate(SENT_SOUND) < -100


def test_who_closes_the_picker_is_not_reproached_and_can_try_again(at_ann):
    at_ann.evaluate(NO_CHOICE)
    at_ann.get_by_role("button", name="Share screen").click()
    at_ann.evaluate("() => { navigator.mediaDevices.getDisplayMedia = window.choose; }")
    assert at_ann.get_by_text("not shared").count() == 0
    at_ann.get_by_role("button", name="Share screen").click()
    at_ann.get_by_role("button", name="Stop sharing").wait_for()
