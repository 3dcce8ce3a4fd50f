"""What rooms cost, and how quickly one is in: `python -m benchmarks.rooms headless|join|cost`.

headless   so many audio-only nodes in one room for so many minutes: CPU and memory of each
join       pressed → all remote pictures playing, beside a bare mesh of pages in the same Chromium
cost       CPU and upload of one participant, with the pictures shaped by who speaks, and not
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import ephemeral_config

from benchmarks import room_pages
from onmeet_node.control import client
from onmeet_node.control.requests.rooms import ListRooms, LookAt
from onmeet_node.protocol.wire.room import PictureSize

WARM_SECONDS = 60.0
"""Before memory is looked at first: codecs, buffers and the allocator's own have come to rest."""
MEET_SECONDS = 120.0


def onmeet(home: Path, *arguments: str) -> Any:
    """What a command answers."""
    command = [sys.executable, "-m", "onmeet_node.cli", *arguments, "--home", str(home), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=90)
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def bootstrap(home: Path) -> Iterator[str]:
    """A bootstrap in a process of its own: its address."""
    create(home, ephemeral_config(guests=True))
    command = [sys.executable, "-m", "onmeet_bootstrap", "run", "--home", str(home), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["addresses"][0]
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@contextmanager
def running(home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A node in a process of its own, reachable."""
    onmeet(home, "init", "--key-file", "--name", home.name)
    command = [sys.executable, "-m", "onmeet_node.cli", "up", "--home", str(home), "--json"]
    command += ["--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        while json.loads(process.stdout.readline())["event"] != "reachable":
            pass
        _read_on(process)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _read_on(process: subprocess.Popen[str]) -> None:
    """A pipe that nobody reads stops who writes into it."""

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for _ in process.stdout:
                pass

    threading.Thread(target=read).start()


def until(holds: Any, seconds: float = MEET_SECONDS) -> None:
    """Waits for something that is asked for again and again."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the room did not come together")
        time.sleep(0.3)


def the_room(home: Path) -> list[dict[str, Any]]:
    """The participants of the one room somebody is in."""
    rooms = client.ask(home, ListRooms())["rooms"]
    return rooms[0]["people"] if rooms else []


def look(home: Path, who: str, size: str) -> None:
    """Says how large somebody is shown there."""
    client.ask(home, LookAt(key=who or None, size=PictureSize(size)))


def whole(home: Path, people: int) -> bool:
    """Whether so many are in, and media flows both ways with each."""
    shown = the_room(home)
    return len(shown) == people and all(one["media"] and one["seen"] for one in shown)


def headless(people: int, minutes: float, directory: Path) -> dict[str, Any]:
    """`people` nodes that send the test tone to each other."""
    homes = [directory / f"n{number}" for number in range(people)]
    with ExitStack() as stack:
        way = stack.enter_context(bootstrap(directory / "bootstrap"))
        options = ("--no-app", "--bootstrap", way, "--source", "test")
        nodes = [stack.enter_context(running(home, *options)) for home in homes]
        create = ("room", "create", "Choir", "--standing", "--audio-only")
        code = onmeet(homes[0], *create)["code"]
        for home in homes[1:]:
            onmeet(home, "room", "join", code, "--audio-only")
        until(lambda: all(whole(home, people) for home in homes))
        time.sleep(WARM_SECONDS)
        watched = [psutil.Process(node.pid) for node in nodes]
        before = [_look(process) for process in watched]
        began = time.monotonic()
        print(f"{people} are in; watching for {minutes:g} minutes", file=sys.stderr)
        time.sleep(minutes * 60)
        after = [_look(process) for process in watched]
        elapsed = time.monotonic() - began
        people_then = [the_room(home) for home in homes]
        assert all(len(shown) == people for shown in people_then), "somebody was lost"
        heard = [
            stream["frames_concealed"] / max(1, stream["frames_decoded"])
            for shown in people_then
            for person in shown
            for stream in person["streams"]
        ]
    cpu = [(b["cpu"] - a["cpu"]) / elapsed * 100 for a, b in zip(before, after, strict=True)]
    growth = [b["mb"] - a["mb"] for a, b in zip(before, after, strict=True)]
    return {
        "people": people,
        "minutes": minutes,
        "cpu_percent_of_a_core": _spread(cpu),
        "memory_mb": _spread([one["mb"] for one in after]),
        "memory_growth_mb": _spread(growth),
        "descriptors_before_after": [
            [a["files"], b["files"]] for a, b in zip(before, after, strict=True)
        ],
        "threads_before_after": [
            [a["threads"], b["threads"]] for a, b in zip(before, after, strict=True)
        ],
        "concealed_share_worst": round(max(heard), 4),
    }


@contextmanager
def app(
    browser: Any, home: Path, way: str, window: tuple[int, int] = (1280, 720)
) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A node and its page, past the first run. `window`: columns and rows of the page."""
    onmeet(home, "init", "--key-file", "--name", home.name)
    command = [sys.executable, "-m", "onmeet_node.cli", "up", "--home", str(home), "--json"]
    command += ["--no-lan", "--app", "--no-browser", "--bootstrap", way]
    command += ["--listen", "/ip4/127.0.0.1/tcp/0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    columns, rows = window
    context = browser.new_context(viewport={"width": columns, "height": rows}, locale="en-GB")
    try:
        told: dict[str, Any] = {}
        while not {"app", "reachable"} <= told.keys():
            event = json.loads(process.stdout.readline())
            told[event["event"]] = event
        _read_on(process)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(told["app"]["url"])
        page.get_by_role("button", name="Rooms", exact=True).wait_for()
        yield process, page
    finally:
        context.close()
        process.terminate()
        process.wait(30)


def _prepare(page: Any, code: str) -> None:
    page.get_by_role("button", name="Rooms", exact=True).click()
    page.get_by_role("textbox", name="Room code").fill(code)
    page.get_by_role("button", name="Continue").last.click()
    page.get_by_role("heading", name="Before you go in").wait_for()
    page.wait_for_timeout(1_500)  # the preview's camera is open, as while somebody looks at it


def _leave(page: Any) -> None:
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("heading", name="The room is over for you").wait_for()
    page.reload()
    page.get_by_role("button", name="Rooms", exact=True).wait_for()


def join(sizes: list[int], rounds: int, directory: Path) -> dict[str, Any]:
    """The last of n comes in, in turns with the last of a bare mesh of n in the same browser."""
    from playwright.sync_api import sync_playwright

    result: dict[str, Any] = {}
    with ExitStack() as stack:
        way = stack.enter_context(bootstrap(directory / "bootstrap"))
        address = stack.enter_context(room_pages.bare_server())
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=room_pages.CHROMIUM, args=list(room_pages.FLAGS)
        )
        apps: list[tuple[subprocess.Popen[str], Any]] = []
        home = directory / "n0"
        for people in sorted(sizes):
            while len(apps) < people:  # none stands by: its node and page would cost both sides
                apps.append(stack.enter_context(app(browser, directory / f"n{len(apps)}", way)))
            ours, inside, bare = [], [], []
            code = onmeet(home, "room", "code", "Team")["code"]
            first = apps[0][1]
            first.get_by_role("button", name="Rooms", exact=True).click()
            first.get_by_role("button", name="Start Team").click()
            first.get_by_role("button", name="Come in").click()
            first.get_by_text("Nobody else is here yet.").wait_for()
            for _, page in apps[1 : people - 1]:
                _prepare(page, code)
                page.get_by_role("button", name="Come in").click()
                page.locator("om-room-tile").first.wait_for()
            last = apps[people - 1][1]
            for turn in range(rounds + 1):
                _prepare(last, code)
                last.evaluate(room_pages.WATCH)
                times = room_pages.when_all(last, room_pages.SEEN, people - 1)
                if turn:
                    ours.append(max(times))
                    inside.append(last.evaluate(room_pages.INSIDE))
                _leave(last)
                last.wait_for_timeout(1_000)
                times = _bare(browser, address, people)
                if turn:
                    bare.append(max(times))
            for _, page in apps[: people - 1]:
                _leave(page)
            total, knock, plain = map(statistics.median, (ours, inside, bare))
            result[str(people)] = {
                "pressed_to_all_pictures_ms": round(total),
                "of_which_to_be_in_ms": round(knock),
                "bare_mesh_ms": round(plain),
                "ratio_without_the_knock": round((total - knock) / plain, 2),
            }
            print(people, result[str(people)], file=sys.stderr)
        browser.close()
    return {"rounds": rounds, "people": result}


def _bare(browser: Any, address: str, people: int) -> list[float]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    try:
        pages = [context.new_page() for _ in range(people)]
        for page in pages:
            page.goto(address)
            page.wait_for_function("() => window.ready")
        for number, page in enumerate(pages):
            page.evaluate("() => go()")
            times = room_pages.when_all(page, room_pages.BARE_SEEN, number)
        return times
    finally:
        context.close()


VIEWS = {
    "everybody large": ("large", "large", "large"),
    "somebody else speaks": ("small", "large", "small"),
    "speaking": ("large", "small", "small"),
}
"""How large all others show the one who is measured; how large that one shows the first of them,
and the rest."""
RAMP_SECONDS = 20.0


def cost(sizes: list[int], seconds: float, directory: Path) -> dict[str, Any]:
    """CPU and upload of one of so many: everybody large to everybody, and speaker view.

    The one who is measured has a browser of its own. The others show each other no pictures, in
    small windows, so that two cores are enough for as many people as can be.
    """
    from playwright.sync_api import sync_playwright

    camera = directory / "camera.y4m"
    room_pages.write_camera(camera)
    flags = [*room_pages.FLAGS, f"--use-file-for-fake-video-capture={camera}"]
    result: dict[str, Any] = {}
    with ExitStack() as stack:
        way = stack.enter_context(bootstrap(directory / "bootstrap"))
        playwright = stack.enter_context(sync_playwright())
        own, others = (
            playwright.chromium.launch(
                executable_path=room_pages.CHROMIUM, args=[*flags, f"--onmeet-bench={which}"]
            )
            for which in ("own", "others")
        )
        homes: list[Path] = []
        node: subprocess.Popen[str] | None = None
        code = ""
        for people in range(1, max(sizes) + 1):
            home = directory / f"n{people}"
            browser, window = (own, (1280, 720)) if people == 1 else (others, (480, 480))
            started, page = stack.enter_context(app(browser, home, way, window))
            page.evaluate(room_pages.NOBODY_LOOKS)
            homes.append(home)
            if node is None:
                node = started
                code = onmeet(home, "room", "code", "Team")["code"]
                page.get_by_role("button", name="Rooms", exact=True).click()
                page.get_by_role("button", name="Start Team").click()
            else:
                _prepare(page, code)
            page.get_by_role("button", name="Come in").click()
            page.locator("om-room-tile").first.wait_for()
            until(lambda n=people: all(whole(home, n) for home in homes))
            if people not in sizes:
                continue
            row = {}
            for name, view in VIEWS.items():
                _show(homes, *view)
                time.sleep(RAMP_SECONDS)
                row[name] = _cost(homes[0], node, seconds)
            result[str(people)] = row
            print(people, row, file=sys.stderr)
        own.close()
        others.close()
    return {"seconds": seconds, "people": result}


def _show(homes: list[Path], measured: str, first: str, rest: str) -> None:
    mine, *others = homes
    for number, home in enumerate(others):
        look(mine, home.name, first if number == 0 else rest)
        for other in others:
            if other != home:
                look(home, other.name, "none")
        look(home, mine.name, measured)


def _cost(home: Path, node: subprocess.Popen[str], seconds: float) -> dict[str, float]:
    def sent() -> dict[str, int]:
        return {
            kind: sum(
                stream["bytes_sent"]
                for person in the_room(home)
                for stream in person["streams"]
                if stream["kind"] == kind
            )
            for kind in ("audio", "video")
        }

    browser = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if "--onmeet-bench=own" in (process.info["cmdline"] or ())
        and not any(one.startswith("--type=") for one in process.info["cmdline"])
    )

    def busy(processes: list[psutil.Process]) -> float:
        times = [process.cpu_times() for process in processes]
        return sum(one.user + one.system for one in times)

    of_browser = [browser, *browser.children(recursive=True)]
    of_node = [psutil.Process(node.pid)]
    psutil.cpu_percent()
    before, pages, nodes, began = sent(), busy(of_browser), busy(of_node), time.monotonic()
    time.sleep(seconds)
    pages, nodes, after = busy(of_browser) - pages, busy(of_node) - nodes, sent()
    elapsed = time.monotonic() - began
    upload = {kind: (after[kind] - before[kind]) * 8 / elapsed / 1_000 for kind in after}
    return {
        "browser_cpu_percent_of_a_core": round(pages / elapsed * 100, 1),
        "node_cpu_percent_of_a_core": round(nodes / elapsed * 100, 1),
        "upload_kbps": round(sum(upload.values())),
        "of_which_video_kbps": round(upload["video"]),
        "machine_busy_percent": psutil.cpu_percent(),
    }


def _look(process: psutil.Process) -> dict[str, float]:
    with process.oneshot():
        times = process.cpu_times()
        return {
            "cpu": times.user + times.system,
            "mb": process.memory_info().rss / 2**20,
            "files": process.num_fds(),
            "threads": process.num_threads(),
        }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "least": round(min(values), 2),
        "most": round(max(values), 2),
    }


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rooms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("headless")
    one.add_argument("--people", type=int, default=8)
    one.add_argument("--minutes", type=float, default=10)
    two = commands.add_parser("join")
    two.add_argument("--people", type=int, nargs="+", default=[2, 3, 4])
    two.add_argument("--rounds", type=int, default=5)
    three = commands.add_parser("cost")
    three.add_argument("--people", type=int, nargs="+", default=[2, 3, 4, 5, 6])
    three.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onmeet-rooms-") as name:
        directory = Path(name)
        match options.what:
            case "headless":
                print(json.dumps(headless(options.people, options.minutes, directory)))
            case "join":
                print(json.dumps(join(options.people, options.rounds, directory)))
            case "cost":
                print(json.dumps(cost(options.people, options.seconds, directory)))


if __name__ == "__main__":
    main()
