"""Real Chromium with fake devices, and real nodes in processes of their own."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from attrs import evolve
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.web.server import STATIC
from tests import forkserver
from tests.requirements import need

WHOLE_CHROMIUM = Path("/usr/bin/chromium")
HEADLESS_SHELL = Path("/usr/bin/chromium-headless-shell")
"""Chromium without what is around its pages: a page costs 0.2 s of CPU in it, 1.1 in the other."""
CHROMIUM = HEADLESS_SHELL if HEADLESS_SHELL.exists() else WHOLE_CHROMIUM
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--auto-accept-this-tab-capture",
    "--auto-select-tab-capture-source-by-title=On-Meet",
    "--autoplay-policy=no-user-gesture-required",
]
START_SECONDS = 120


def missing():
    """What these tests need and is not here; None when all is."""
    if not WHOLE_CHROMIUM.exists():
        return "Chromium is not installed (Debian package chromium)"
    if not (STATIC / "assets").is_dir():
        return "the app is not built (make ui, needs Node.js 20)"
    return None


@pytest.fixture(scope="session", autouse=True)
def _needs_browser():
    need(missing())


@pytest.fixture(scope="session")
def _playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(_playwright):
    browser = _playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def whole_chromium(_playwright):
    """With windows and tabs, which can be shared."""
    browser = _playwright.chromium.launch(executable_path=str(WHOLE_CHROMIUM), args=FLAGS)
    yield browser
    browser.close()


def onmeet(*arguments):
    """Runs a command to its end; the last line it says."""
    done = forkserver.run([sys.executable, "-m", "onmeet_node.cli", *arguments, "--json"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def calling(home, name):
    """``onmeet call`` in a process, until the block ends."""
    command = [sys.executable, "-m", "onmeet_node.cli", "call", name, "--home", home, "--json"]
    process = forkserver.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Node:
    """``onmeet up`` in a process; its events as they come."""

    process: subprocess.Popen
    home: Path
    events: queue.Queue = field(default_factory=queue.Queue)
    seen: list = field(default_factory=list)

    def event(self, name):
        for event in self.seen:
            if event["event"] == name:
                return event
        while True:
            event = self.events.get(timeout=START_SECONDS)
            assert event is not None, f"the node ended without {name}"
            self.seen.append(event)
            if event["event"] == name:
                return event

    @property
    def url(self):
        return self.event("app")["url"]

    def command(self, *arguments):
        return onmeet(*arguments, "--home", self.home)


@contextmanager
def node(home, *options, app=True, prefix=(), keep=False, **environment):
    """`prefix`: of the command line, to run it elsewhere (a network namespace).

    `keep`: the home is left, for another run. `environment` is added to ours.
    """
    command = [
        *prefix,
        sys.executable,
        "-m",
        "onmeet_node.cli",
        "up",
        "--home",
        home,
        "--json",
        "--no-lan",
    ]
    command += ["--app", "--no-browser"] if app else ["--no-app"]
    process = forkserver.Popen(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    it = Node(process, home)

    def read():
        for line in process.stdout:
            it.events.put(json.loads(line))
        it.events.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield it
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join()
        process.stdout.close()
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def gateway(home, **guests):
    """``onmeet-bootstrap run`` with a door for guests; gives what it says as it starts."""
    config = ephemeral_config(guests=True)
    create(home, evolve(config, guests=evolve(config.guests, **guests)))
    command = [sys.executable, "-m", "onmeet_bootstrap", "run", "--home", home, "--json"]
    process = forkserver.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@dataclass
class Window:
    """A page with everything it asked for and kept."""

    page: object
    context: object
    requests: list = field(default_factory=list)
    errors: list = field(default_factory=list)


@contextmanager
def window(chromium, url, *, script=None, **options):
    """`script` runs before anything of the page does."""
    options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
    context = chromium.new_context(**options)
    if script is not None:
        context.add_init_script(script)
    page = context.new_page()
    it = Window(page, context)
    page.on("request", lambda request: it.requests.append(request.url))
    page.on("websocket", lambda socket: it.requests.append(socket.url))
    page.on("pageerror", lambda error: it.errors.append(str(error)))
    page.on(
        "console",
        lambda message: it.errors.append(message.text) if message.type == "error" else None,
    )
    page.set_default_timeout(90_000)
    page.goto(url)
    try:
        yield it
    finally:
        context.close()
