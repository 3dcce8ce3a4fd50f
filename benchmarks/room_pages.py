"""Rooms in Chromium, for `benchmarks.rooms`: ours, and a bare mesh of pages beside it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
BARE = """<!doctype html><meta charset="utf-8"><div></div><script type="module">
// The newcomer offers to everybody who is there; signaling by BroadcastChannel costs nothing.
const me = Math.random().toString(36).slice(2);
const line = new BroadcastChannel("mesh");
const peers = new Map();
const video = {width: 640, height: 360};
const stream = await navigator.mediaDevices.getUserMedia({audio: true, video});
window.shown = new Map();
const say = (to, message) => line.postMessage({from: me, to, ...message});
async function remote(pc, description) {
  await pc.setRemoteDescription(description);
  for (const candidate of pc.early.splice(0)) await pc.addIceCandidate(candidate);
}
function peer(other) {
  const pc = new RTCPeerConnection({bundlePolicy: "max-bundle"});
  pc.early = [];
  peers.set(other, pc);
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  pc.onicecandidate = ({candidate}) => candidate && say(other, {candidate: candidate.toJSON()});
  pc.ontrack = ({track, streams}) => {
    if (track.kind !== "video") return;
    const video = document.createElement("video");
    Object.assign(video, {autoplay: true, playsInline: true, srcObject: streams[0]});
    video.requestVideoFrameCallback(() => window.shown.set(other, performance.now()));
    document.querySelector("div").append(video);
  };
  return pc;
}
line.onmessage = async ({data: {from, to, hello, here, offer, answer, candidate}}) => {
  if (to !== undefined && to !== me) return;
  if (hello) return window.clicked && say(from, {here: true});
  if (here) {
    const pc = peer(from);
    await pc.setLocalDescription();
    return say(from, {offer: pc.localDescription.toJSON()});
  }
  if (offer) {
    const pc = peer(from);
    await remote(pc, offer);
    await pc.setLocalDescription();
    return say(from, {answer: pc.localDescription.toJSON()});
  }
  const pc = peers.get(from);
  if (answer) return remote(pc, answer);
  if (candidate && pc.remoteDescription) return pc.addIceCandidate(candidate);
  if (candidate) pc.early.push(candidate);
};
window.go = () => {
  window.clicked = performance.now();
  line.postMessage({from: me, hello: true});
};
window.ready = true;
</script>"""
WATCH = """() => {
  const all = (root, name, found = []) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.localName === name) found.push(one);
      if (one.shadowRoot) all(one.shadowRoot, name, found);
    }
    return found;
  };
  const seen = (window.seen = { first: new Map(), inside: null });
  const look = () => {
    if (all(document, "om-room-tile").length > 0) seen.inside ??= performance.now();
    else requestAnimationFrame(look);
  };
  look();
  // The page itself asks for the first picture of each remote video, as soon as it has one.
  const video = HTMLVideoElement.prototype;
  window.askForPicture ??= video.requestVideoFrameCallback;
  video.requestVideoFrameCallback = function (call) {
    const tile = this.getRootNode().host;
    return window.askForPicture.call(this, (...shown) => {
      if (tile?.person?.me === false && !seen.first.has(tile.person.key))
        seen.first.set(tile.person.key, performance.now());
      call(...shown);
    });
  };
  const press = all(document, "button").find((one) => one.textContent.trim() === "Come in");
  window.clicked = performance.now();
  press.click();
}"""
"""Presses "Come in", and notes when the room is shown and when each remote picture is."""
SEEN = "() => [...window.seen.first.values()].map((at) => at - window.clicked)"
INSIDE = "() => window.seen.inside - window.clicked"
BARE_SEEN = "() => [...window.shown.values()].map((at) => at - window.clicked)"

NOBODY_LOOKS = "Object.defineProperty(document, 'hidden', {get: () => true})"
"""For a page that leaves it to the benchmark who is shown how large."""


def write_camera(path: Path, *, seconds: int = 4, rate: int = 24) -> None:
    """A camera's file (YUV4MPEG2, 1280x720) that costs a coder what a moving person costs.

    Chromium's own test picture takes 300 kbit/s at any limit. Here something with edges moves, and
    all of it carries a sensor's noise.
    """
    picture = f"mandelbrot=size=1280x720:rate={rate}:start_scale=2:end_scale=1.2:end_pts={rate * 8}"
    chain = f"{picture},noise=alls=5:allf=t,format=yuv420p"
    with av.open(chain, format="lavfi") as drawn, path.open("wb") as file:
        file.write(f"YUV4MPEG2 W1280 H720 F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in itertools.islice(drawn.decode(video=0), seconds * rate):
            file.write(b"FRAME\n")
            for plane in frame.planes:
                rows = memoryview(plane)
                for row in range(plane.height):
                    at = row * plane.line_size
                    file.write(rows[at : at + plane.width])


@contextmanager
def bare_server() -> Iterator[str]:
    """Serves the bare mesh's page; its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = BARE.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def when_all(page: Any, script: str, count: int, seconds: float = 60) -> list[float]:
    """What the script gives, once there is so much of it. Milliseconds from the press."""
    for _ in range(int(seconds * 50)):
        found: list[float] = page.evaluate(script)
        if len(found) >= count:
            return found
        page.wait_for_timeout(20)
    raise TimeoutError(f"{len(found)} of {count} pictures came")
