"""From a guest link to the first picture: `python -m benchmarks.guest_page`.

Both in one Chromium, in turns, caches warm, the far end aiortc with the same test picture. The
plain page opens a WebSocket, sends its offer and takes the answer: nothing is sealed, nobody is
asked, no TURN server is lent.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import ephemeral_config
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from onmeet_node.media.endpoint import SessionConfig
from onmeet_node.media.engine.endpoint import open_endpoint
from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.asgi.server import open_server
from onmeet_node.protocol.wire.messages import Kind

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
PORT = 18_744
PLAIN = """<!doctype html><video autoplay playsinline></video><script type="module">
const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
const pc = new RTCPeerConnection();
for (const track of stream.getTracks()) pc.addTrack(track, stream);
const video = document.querySelector("video");
const remote = new MediaStream();
pc.ontrack = (event) => { remote.addTrack(event.track); video.srcObject = remote; };
video.requestVideoFrameCallback(() => (window.first = performance.now()));
window.ready = performance.now();
window.go = async () => {
  window.clicked = performance.now();
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onmessage = (event) => pc.setRemoteDescription({type: "answer", sdp: event.data});
  await new Promise((done) => (socket.onopen = done));
  await pc.setLocalDescription();
  await new Promise((done) => {
    if (pc.iceGatheringState === "complete") done();
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
  });
  socket.send(pc.localDescription.sdp);
};
</script>"""
WATCH = """() => new Promise((done) => {
  const begun = performance.now();
  const look = () => {
    const screen = document.querySelector("om-guest")?.shadowRoot?.querySelector("om-call-screen");
    const video = screen?.shadowRoot?.querySelector("video.remote");
    if (video) video.requestVideoFrameCallback(() => done(performance.now() - begun));
    else requestAnimationFrame(look);
  };
  look();
  const form = document.querySelector("om-guest").shadowRoot.querySelector("form");
  form.requestSubmit();
})"""


async def _plain(stop: trio.Event) -> None:
    async with open_endpoint() as endpoint:

        async def page(_request: Any) -> HTMLResponse:
            await trio.lowlevel.checkpoint()
            return HTMLResponse(PLAIN)

        async def talk(socket: Any) -> None:
            await socket.accept()
            config = SessionConfig(kinds=frozenset(Kind), source="test")
            session = await endpoint.open_session(config)
            try:
                answer = await session.accept_offer(await socket.receive_text())
                await session.attach(frozenset(Kind))
                await socket.send_text(answer)
                await socket.receive_text()
            except WebSocketDisconnect:
                pass
            finally:
                with trio.CancelScope(shield=True):
                    await session.aclose()

        app: Any = Starlette(routes=[Route("/", page), WebSocketRoute("/ws", talk)])
        limits = ServerLimits(message_bytes=2**20, ping_seconds=20.0, write_seconds=15.0)
        async with open_server(app, [socket.create_server(("127.0.0.1", PORT))], limits):
            await stop.wait()


@contextmanager
def _plain_server() -> Any:
    stop = trio.Event()
    token: list[Any] = []

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        await _plain(stop)

    thread = threading.Thread(target=partial(trio.run, main))
    thread.start()
    try:
        time.sleep(2)  # aiortc loads
        yield
    finally:
        trio.from_thread.run_sync(stop.set, trio_token=token[0])
        thread.join()


def _run(*command: str) -> Any:
    full = [sys.executable, "-m", "onmeet_node.cli", *command, "--json"]
    done = subprocess.run(full, check=True, capture_output=True, timeout=60)
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _process(*command: str) -> Any:
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def measure(rounds: int, directory: Path) -> dict[str, object]:
    """So many visits of each page, in turns; the first of each only warms the caches."""
    from playwright.sync_api import sync_playwright

    ours: list[tuple[float, float]] = []
    plain: list[tuple[float, float]] = []
    with ExitStack() as stack:
        create(directory / "boot", attrs.evolve(ephemeral_config(guests=True)))
        boot = stack.enter_context(
            _process("bootstrap", "run", "--home", str(directory / "boot"), "--json")
        )
        address = json.loads(boot.stdout.readline())["addresses"][0]
        home = str(directory / "node")
        _run("init", "--home", home, "--name", "Host", "--key-file")
        up = ("up", "--home", home, "--no-app", "--no-lan", "--source", "test", "--json")
        node = stack.enter_context(_process("onmeet_node.cli", *up, "--bootstrap", address))
        while json.loads(node.stdout.readline())["event"] != "reachable":
            pass
        link = _run("invite", "--let-in", "--room", "--home", home)["url"]
        stack.enter_context(_plain_server())
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = browser.new_context()
        for turn in range(rounds + 1):
            page = context.new_page()
            began = time.perf_counter()
            page.goto(link)
            page.get_by_label("Your name").fill("Guest")
            ready = time.perf_counter() - began
            page.wait_for_timeout(800)  # the preview's camera, as while somebody types
            shown = float(page.evaluate(WATCH)) / 1e3
            page.close()
            if turn:
                ours.append((ready, shown))
            page = context.new_page()
            began = time.perf_counter()
            page.goto(f"http://127.0.0.1:{PORT}/")
            while not page.evaluate("() => !!window.ready"):
                page.wait_for_timeout(5)
            ready = time.perf_counter() - began
            page.evaluate("() => go()")
            while not page.evaluate("() => !!window.first"):
                page.wait_for_timeout(5)
            shown = float(page.evaluate("() => window.first - window.clicked")) / 1e3
            page.close()
            if turn:
                plain.append((ready, shown))
            page = context.new_page()
            page.wait_for_timeout(700)  # the host lets go of the guest before
            page.close()
        browser.close()
    return {
        "rounds": rounds,
        "guest_ms": _summary(ours),
        "plain_ms": _summary(plain),
    }


def _summary(times: list[tuple[float, float]]) -> dict[str, float]:
    ready, shown = ([one[at] for one in times] for at in (0, 1))
    total = [sum(one) for one in times]
    return {
        "link_to_page": round(statistics.median(ready) * 1e3),
        "click_to_picture": round(statistics.median(shown) * 1e3),
        "click_to_picture_worst": round(max(shown) * 1e3),
        "both": round(statistics.median(total) * 1e3),
    }


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guest_page", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onmeet-guest-page-") as directory:
        print(json.dumps(measure(options.rounds, Path(directory))))


if __name__ == "__main__":
    main()
