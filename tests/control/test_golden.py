"""What the three doors to a node say is what they said: the recording of `record.py`, compared.

Whoever changes it on purpose records it anew (``python -m tests.control.record``) and looks at the
difference. The scenes are played with ONMEET_FULL=1: before and after a change of what stands
between a door and the node. That nothing is missing from the recording is looked at always.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.control import record
from tests.control.scenes_offline import commands
from tests.examples import FULL

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)] if FULL else []
SCENES = sorted(path.stem for path in record.GOLDEN.glob("*.json"))

NEVER_TYPED = {
    "demo": "takes half a minute, and shows what status, history and call show",
    "link": "two devices at once; tests/node/test_devices.py and tests/cli/test_devices.py have it",
    "code say": "two sides at once; tests/cli/test_spoken.py has it",
}
NEVER_ASKED = {
    "say-code": "two sides at once; tests/node/test_spoken.py and tests/browser/test_spoken.py",
    "stop-saying": "the same",
    "link-home": "two devices at once; tests/web/test_devices.py",
}
"""Requests that the recording lacks, and why."""
NEVER_HEARD = {
    "carry-media": "answers a frame that came beside the real media of a guest in a room; "
    "tests/web/test_page_endpoint.py and tests/browser have it",
    "code-shown": "answers say-code",
    "link-code-shown": "the same",
    "link-words": "two devices at once; tests/web/test_devices.py",
}
"""Messages of the node that the recording lacks, and why."""


@pytest.fixture(scope="module")
def played() -> dict[str, list[Any]]:
    """All scenes, played now."""
    scenes: dict[str, list[Any]] = {}
    record.record(print, scenes)
    return scenes


if FULL:  # minutes of real nodes

    @pytest.mark.parametrize("scene", SCENES)
    def test_a_scene_is_as_it_was(scene: str, played: dict[str, list[Any]]) -> None:
        before = (record.GOLDEN / f"{scene}.json").read_text(encoding="utf-8").splitlines()
        steps = {record.file_of(name).stem: steps for name, steps in played.items()}[scene]
        now = record.written(steps).splitlines()
        found = list(
            difflib.unified_diff(before, now, f"golden/{scene}.json", "now", lineterm="", n=6)
        )
        assert not found, "\n" + "\n".join(found[:200])

    def test_all_scenes_are_compared(played: dict[str, list[Any]]) -> None:
        assert sorted(record.file_of(name).stem for name in played) == SCENES


def _kept() -> list[Any]:
    return [
        step
        for path in record.GOLDEN.glob("*.json")
        for step in json.loads(path.read_text(encoding="utf-8"))
    ]


def _types(value: Any) -> Iterator[str]:
    """Of every message of a page inside."""
    if isinstance(value, dict):
        if isinstance(value.get("t"), str):
            yield value["t"]
        for inner in value.values():
            yield from _types(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _types(inner)


def test_every_request_of_the_control_socket_is_in_it() -> None:
    from onmeet_node.control.catalogue import REQUESTS

    asked = {ask["request"]["do"] for step in _kept() for ask in step.get("asks", ())
             if isinstance(ask, dict)}  # fmt: skip
    asked |= {
        request["do"] if isinstance(request, dict) else json.loads(request)["do"]
        for step in _kept()
        if (request := step.get("request")) and '"do"' in json.dumps(request).replace("\\", "")
    }
    asked |= {step["asks"]["t"] for step in _kept() if isinstance(step.get("asks"), dict)}
    assert REQUESTS.keys() - asked == NEVER_ASKED.keys() & REQUESTS.keys()


def test_every_command_is_in_it() -> None:
    from onmeet_node.cli import _onmeet

    typed = {step["command"] for step in _kept() if "command" in step}
    for path in commands(_onmeet):
        name = "onmeet " + " ".join(path)
        assert f"{name} --help" in typed
        if name in {f"onmeet {one}" for one in NEVER_TYPED}:
            continue
        assert any(
            one == name or (one.startswith(f"{name} ") and not one.endswith("--help"))
            for one in typed
        ), name


def test_every_message_of_pages_is_in_it() -> None:
    from onmeet_node.web import messages

    seen = {kind for step in _kept() for kind in _types(step)}
    never = set(NEVER_ASKED) & set(messages.from_page.classes)
    assert set(messages.from_page.classes) - seen == never
    assert set(messages.from_node.classes) - seen == set(NEVER_HEARD)
