"""The guest page in Firefox ESR."""

from contextlib import ExitStack

import pytest

from tests.browser.conftest import gateway, node, onmeet
from tests.browser.firefox import firefox
from tests.requirements import needs_firefox

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    needs_firefox,
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
const canvas = document.createElement("canvas");
canvas.width = 32; canvas.height = 24;
const context = canvas.getContext("2d", {willReadFrequently: true});
const picture = (video) => {
  context.drawImage(video, 0, 0, 32, 24);
  return [...context.getImageData(0, 0, 32, 24).data].join();
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
for (let i = 0; i < 30; i++) {
  pictures.add(picture(video));
  await new Promise((done) => setTimeout(done, 100));
}
return [heading, pictures.size];
"""
)
ENTER = (
    FIND
    + """
const name = await wait(() => deep(document, "#name"));
name.value = "Fuchs";
deep(document, "form").requestSubmit();
const people = () => deep(document, "om-guest").guest.room?.people ?? [];
await wait(() => people().length === 3 && people().every((one) => one.here && one.media));
const tiles = await wait(() => {
  const stage = deep(document, "om-room-stage");
  const all = [...(stage?.shadowRoot.querySelectorAll("om-room-tile") ?? [])];
  return all.length === 3 && all.filter((tile) => !tile.person.me);
});
const moving = async (tile) => {
  const video = await wait(() => {
    const one = deep(tile.shadowRoot, "video");
    return one && one.videoWidth > 0 && one;
  });
  const pictures = new Set();
  await wait(() => {
    pictures.add(picture(video));
    return pictures.size > 3;
  });
  return tile.person.name;
};
const seen = [];
for (const tile of tiles) seen.push(await moving(tile));
return seen.sort();
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


def test_a_guest_with_firefox_is_in_a_room_with_everybody(tmp_path):
    with ExitStack() as stack:
        door = stack.enter_context(gateway(tmp_path / "bootstrap"))
        sides = []
        for name in ("Ada", "Ben"):
            home = tmp_path / name
            onmeet("init", "--home", home, "--name", name, "--key-file")
            options = ("--bootstrap", door["addresses"][0], "--source", "test")
            side = stack.enter_context(node(home, *options, app=False))
            side.event("reachable")
            sides.append(side)
        ada, ben = sides
        code = ada.command("room", "create", "Tuesday", "--standing")["code"]
        ben.command("room", "join", code)
        guest = stack.enter_context(firefox(tmp_path / "profile"))
        guest.open(ada.command("room", "link", "--let-in")["url"])
        assert guest.run(ENTER) == ["Ada", "Ben"]
        for side in sides:
            people = side.command("room", "list")["rooms"][0]["people"]
            [fuchs] = [one for one in people if one["name"] == "Fuchs"]
            decoded = {one["kind"]: one["frames_decoded"] for one in fuchs["streams"]}
            assert decoded["video"] > 0
            assert decoded["audio"] > 0
