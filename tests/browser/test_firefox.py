"""The guest page in Firefox ESR, where it is installed: `apt-get install firefox-esr`."""

import pytest

from tests.browser.conftest import gateway, node, onmeet
from tests.browser.firefox import FIREFOX, firefox

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(FIREFOX is None, reason="Firefox ESR is not installed (firefox-esr)"),
]

FIND = """
const deep = (root, name) => {
  for (const one of root.querySelectorAll("*")) {
    if (one.matches(name)) return one;
    const found = one.shadowRoot && deep(one.shadowRoot, name);
    if (found) return found;
  }
  return null;
};
const wait = async (look) => {
  for (let i = 0; i < 300; i++) {
    const found = look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("did not come: " + document.body.innerText);
};
"""
JOIN = (
    FIND
    + """
const name = await wait(() => deep(document, "#name"));
const heading = deep(document, "h1").innerText;
name.value = "Fuchs";
deep(document, "form").requestSubmit();
const video = await wait(() => deep(document, "video.remote"));
await wait(() => video.videoWidth > 0 && video.currentTime > 1);
const pictures = new Set();
const canvas = document.createElement("canvas");
canvas.width = 32; canvas.height = 24;
const context = canvas.getContext("2d", {willReadFrequently: true});
for (let i = 0; i < 30; i++) {
  context.drawImage(video, 0, 0, 32, 24);
  pictures.add([...context.getImageData(0, 0, 32, 24).data].join());
  await new Promise((done) => setTimeout(done, 100));
}
return [heading, pictures.size];
"""
)
LEAVE = (
    FIND
    + """
deep(document, ".bar .danger").click();
const gone = await wait(() => {
  const one = deep(document, "p.card");
  return one && one.innerText.includes("gone") && one;
});
return [gone.innerText, localStorage.length, sessionStorage.length, document.cookie];
"""
)


def test_a_guest_with_firefox_sees_and_is_seen(tmp_path):
    home = tmp_path / "bot"
    onmeet("init", "--home", home, "--name", "Bell", "--key-file")
    with gateway(tmp_path / "bootstrap") as door:
        options = ("--bootstrap", door["addresses"][0], "--source", "test")
        with node(home, *options, app=False) as host, firefox(tmp_path / "profile") as window:
            host.event("reachable")
            host.command("profile", "--share", "name=everyone")
            window.open(host.command("invite", "--let-in")["url"])
            heading, pictures = window.run(JOIN)
            assert heading == "Bell invites you to a call"
            assert pictures > 3
            [call] = host.command("status")["calls"]
            decoded = {s["kind"]: s["frames_decoded"] for s in call["streams"]}
            assert decoded["video"] > 10
            assert decoded["audio"] > 10
            assert window.run(LEAVE) == ["Your name and this call are gone.", 0, 0, ""]
