"""The examples of docs/API.md, run as they stand there, against real nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
import trio

from bootstrap.app import Bootstrap
from onmeet_node.call.effects import State
from tests.node.conftest import (
    LOOPBACK,
    Start,
    befriend,
    code_of,
    connected,
    ended,
    make_home,
    told,
    until,
)

API = Path(__file__).parents[2] / "docs" / "API.md"
Home = Callable[[str], str]

pytestmark = pytest.mark.real


def example(name: str) -> dict[str, Any]:
    """The program of one example: what its names stand for once it is imported."""
    (code,) = re.findall(rf"```python\n# example: {name}\n(.*?)```", API.read_text(), re.S)
    module: dict[str, Any] = {"__name__": f"example {name}"}
    exec(compile(code, f"{API} ({name})", "exec"), module)
    return module


@pytest.fixture
def home(tmp_path: Path, bootstrap: Bootstrap) -> Home:
    """Makes homes that a program opens by itself, configured by their onmeet.toml."""

    def make(name: str) -> str:
        make_home(tmp_path / name, name)
        (tmp_path / name / "onmeet.toml").write_text(
            f"listen = {json.dumps(LOOPBACK)}\n"
            f"bootstraps = {json.dumps(bootstrap.addresses)}\n"
            "lan = false\n"
        )
        return str(tmp_path / name)

    return make


def seconds_recorded(file: Path, kind: str) -> float:
    """How much of a kind a finished recording holds."""
    with av.open(str(file)) as recording:
        streams = [stream for stream in recording.streams if stream.type == kind]
        assert streams, f"{file.name} holds no {kind}"
        times = [frame.time for frame in recording.decode(streams[0]) if frame.time is not None]
    return max(times) - min(times) if times else 0.0


def whole(file: Path) -> bool:
    """Whether a recording is finished and can be read."""
    try:
        with av.open(str(file)) as recording:
            return bool(recording.streams)
    except (OSError, av.FFmpegError):
        return False


async def test_who_calls_the_echo_bot_hears_and_sees_themselves(
    start: Start, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = await start("Alice")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(example("echo")["main"], home("Bot"))
        said = ""
        with trio.fail_after(30):
            while not (code := re.search(r"Call me: (onmeet:\S+)", said)):
                await trio.sleep(0.05)
                said += capsys.readouterr().out
        for _ in range(2):  # it waits for the next caller when the first has hung up
            with alice.watch() as events:
                async with alice.call(code[1]) as call:
                    await connected(call)
                    kinds = {(await told(events, "media"))["kind"] for _ in range(2)}
                assert kinds == {"audio", "video"}
                assert (await ended(call)).value == "hung-up"
        nursery.cancel_scope.cancel()


async def test_the_recorder_keeps_what_it_is_sent(start: Start, home: Home, tmp_path: Path) -> None:
    bob = await start("Bob")
    file, code = tmp_path / "bob.mp4", await code_of(bob)
    with trio.fail_after(60):
        async with bob.incoming() as ringing, trio.open_nursery() as nursery:
            nursery.start_soon(example("recorder")["main"], home("Alice"), code, str(file), 3.0)
            (await ringing.receive()).accept()
    assert seconds_recorded(file, "video") > 1
    assert seconds_recorded(file, "audio") > 1


class TestTheAnsweringMachine:
    async def test_takes_a_message_when_nobody_picks_up(self, start: Start, tmp_path: Path) -> None:
        alice, bob = await start("Alice"), await start("Bob")
        await befriend(alice, bob)
        program = example("answering machine")
        program.update(PATIENCE=0.5, GREETING_SECONDS=1.0, MESSAGE_SECONDS=2.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program["answering_machine"], bob, tmp_path)
            with alice.watch() as events:
                async with alice.call("Bob") as call:
                    await connected(call)
                    await told(events, "media", kind="audio")  # the greeting
                    await told(events, "peer-media", muted=True)  # and its end
                    assert (await ended(call)).value == "peer-hung-up"
            file = tmp_path / f"{call.id.hex()[:8]}.wav"
            await until(lambda: whole(file), "a message")
            nursery.cancel_scope.cancel()
        assert seconds_recorded(file, "audio") > 1.5

    async def test_leaves_a_call_to_the_person_who_is_quicker(
        self, start: Start, tmp_path: Path
    ) -> None:
        alice, bob = await start("Alice"), await start("Bob")
        await befriend(alice, bob)
        program = example("answering machine")
        program.update(PATIENCE=20.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program["answering_machine"], bob, tmp_path)
            with bob.watch() as events:
                async with alice.call("Bob") as call:
                    await told(events, "incoming")
                    bob.find_call(None, {State.RINGING_IN}).accept()
                    await connected(call)
            nursery.cancel_scope.cancel()
        assert not list(tmp_path.glob("*.wav"))
