"""Records what the three doors to a node say. ``python -m tests.control.record`` keeps it.

The doors are the command line, the control socket and the WebSocket of pages. `golden/` has one
file for each scene; `test_golden.py` plays the scenes again and compares.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.control import scenes_commands as commands
from tests.control import scenes_offline as offline
from tests.control import scenes_pages as pages
from tests.control.stage import Stage

GOLDEN = Path(__file__).parent / "golden"
APP = ("--app", "--no-browser")
TOLD = (
    "authenticated", "compared", "connected", "contact-accepted", "contact-request", "ended",
    "incoming", "knock", "knock-over", "links", "media", "peer-media", "presence", "reachable",
    "room", "room-chat",
    "room-invite", "room-knock", "room-knock-over", "room-mute-asked", "room-over",
    "room-reaction", "room-seen", "sent", "started", "state",
)  # fmt: skip
"""Events that come for certain; their keys are kept."""


def record(say: Callable[[str], None], scenes: dict[str, list[Any]]) -> None:
    """All scenes, played once on fresh nodes, into `scenes`: as far as it came."""
    directory = Path(tempfile.mkdtemp(prefix="golden-"))
    directory.chmod(0o700)
    try:
        with _environment(), ExitStack() as stack:
            _play(Stage(directory, stack, scenes), say)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _environment() -> Iterator[None]:
    """No window opens, no home but ours is found, tables are wide, and it is UTC."""
    with patch.dict(os.environ, {"COLUMNS": "4000", "TZ": "UTC"}):
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "ONMEET_HOME"):
            os.environ.pop(name, None)
        time.tzset()
        yield
    time.tzset()


def _play(stage: Stage, say: Callable[[str], None]) -> None:
    began = time.monotonic()

    def play(scene: Callable[[Stage], None]) -> None:
        before = time.monotonic()
        scene(stage)
        say(f"{time.monotonic() - began:6.1f} s  {scene.__module__}.{scene.__name__}: "
            f"{time.monotonic() - before:.1f} s")  # fmt: skip

    world = stage.world
    world.open_bootstrap()
    world.begin("ann", *APP)
    play(offline.play_home)
    world.begin("cleo", *APP)
    world.begin("bob")
    play(offline.play_help)
    play(offline.play_first_run)
    for node in world.nodes.values():
        node.lines.wait("reachable")
    watched = stage.later("ann", "watch")
    for name in ("Gerda", "Paul"):
        stage.guests[name] = world.guest(name, "--json", "--source", "test")
    play(commands.play_people)
    play(commands.play_settings)
    play(commands.play_calls)
    play(commands.play_rooms)
    play(commands.play_guests)
    for name in ("Otto", "Nina"):
        stage.guests[name] = world.guest(name)
    play(commands.play_history)
    play(pages.play_people)
    play(pages.play_calls)
    play(pages.play_rooms)
    play(pages.play_devices)
    play(pages.play_guests)
    play(pages.play_end)
    with stage.scene("events"):
        watched.end(_shapes)
        stage.record({"command": "onmeet up --json", "json": _shapes(world.nodes["bob"].lines.all)})


def _shapes(lines: list[dict[str, Any]]) -> list[Any]:
    """Each kind of event once, with its keys: when they come, and how often, no two runs share."""
    first = {line["event"]: list(line) for line in lines if line.get("event") in TOLD}
    rest = [line for line in lines if "event" not in line]
    return [{"event": name, "keys": first[name]} for name in sorted(first)] + rest


def written(steps: list[Any]) -> str:
    """A scene as its file has it."""
    return json.dumps(steps, indent=1, ensure_ascii=False) + "\n"


def file_of(scene: str) -> Path:
    """Where a scene is kept."""
    return GOLDEN / f"{scene.replace(' ', '-')}.json"


def main(directory: Path = GOLDEN) -> None:
    """Writes all scenes to this directory."""
    scenes: dict[str, list[Any]] = {}
    directory.mkdir(exist_ok=True)
    try:
        record(lambda line: print(line, file=sys.stderr, flush=True), scenes)
    finally:
        for name, steps in scenes.items():
            (directory / file_of(name).name).write_text(written(steps), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
