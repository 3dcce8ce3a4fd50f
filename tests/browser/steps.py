"""What a person does in the app, by the words on the screen."""

PLAYING = """(video) => {
  const canvas = document.createElement("canvas");
  canvas.width = 32; canvas.height = 24;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 32, 24);
  return [...context.getImageData(0, 0, 32, 24).data].join();
}"""
"""The pixels of a video, small."""

LOUDNESS = """async (video) => {
  for (let i = 0; i < 100 && !video.srcObject?.getAudioTracks().length; i++)
    await new Promise((done) => setTimeout(done, 100));
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(video.srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let loudest = 0;
  for (let i = 0; i < 60 && loudest < 0.01; i++) {
    await new Promise((done) => setTimeout(done, 50));
    analyser.getFloatTimeDomainData(samples);
    for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
  }
  await context.close();
  return loudest;
}"""
"""The loudest sample within three seconds of the first track.

The fake microphone beeps once a second.
"""


def first_run(page, name):
    page.get_by_label("What are you called?").fill(name)
    page.get_by_label("A file: whoever can read my files can be me").check()
    page.get_by_role("button", name="Begin").click()
    code = page.get_by_role("textbox", name="Your code")
    code.wait_for()
    text = code.input_value().strip()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("heading", name="People").wait_for()
    return text


def add(page, code, note=""):
    page.get_by_label("Their code").fill(code)
    page.get_by_label("A line for them").fill(note)
    page.get_by_role("button", name="Send request").click()


def accept_request(page):
    page.get_by_role("button", name="Accept").click()


def start_call(page, name):
    page.get_by_role("button", name=f"Call {name}").click()
    page.get_by_role("heading", name=f"Call {name}").wait_for()
    page.get_by_role("button", name="Call", exact=True).click()


def wait_moving(page, frames=3):
    """Waits until the other side's picture has changed a few times."""
    video = page.locator("video.remote")
    video.wait_for()
    seen = set()
    for _ in range(600):
        seen.add(video.evaluate(PLAYING))
        if len(seen) > frames:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the other side's picture does not move")


def wait_heard(page):
    """Waits until the other side's sound is more than silence."""
    for _ in range(100):
        if page.locator("video.remote").evaluate(LOUDNESS) > 0.01:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the other side is not heard")


SPY = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...all) { super(...all); window.connections.push(this); }
};
"""
"""Before the page: `sent` can say what goes out of it."""

LIVE = """() => window.connections
  .filter((pc) => pc.connectionState !== "closed").flatMap((pc) => pc.getSenders())
  .filter((sender) => sender.track?.enabled && sender.track.readyState === "live")
  .map((sender) => sender.track.kind)"""


def sent(page):
    """The kinds that go out live."""
    return set(page.evaluate(LIVE))


def wait_sent(page, *kinds):
    """Until exactly these go out."""
    for _ in range(300):
        if sent(page) == set(kinds):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{sorted(sent(page))} goes out, not {sorted(kinds)}")


FOCUSED = """() => {
  let one = document.activeElement;
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  if (!one) return "";
  const label = one.closest("label")?.innerText ?? "";
  return [one.getAttribute("aria-label"), one.innerText, label].filter(Boolean).join(" ").trim();
}"""
"""What the element with the focus is called."""


def tab_to(page, name):
    """Presses Tab until the focus is on what is called so."""
    for _ in range(80):
        if page.evaluate(FOCUSED).startswith(name):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name!r} cannot be reached by keyboard")
