"""docs/API.md: its examples run as they stand, and its tables are the code's.

`python tests/node/test_api.py` writes the tables anew.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
import subprocess
import sys
import types
import wave
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import av
import pytest
import trio
from onmeet_bootstrap.app import Bootstrap

from onmeet_node import events
from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.config import Config
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.control.catalogue import COMMANDS, REQUESTS
from onmeet_node.control.shapes import Request
from onmeet_node.media.frames import FrameFeed, FrameTap
from onmeet_node.node.node import Node
from onmeet_node.node.opening import CALLS_OF_A_PROGRAM
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.wire.fields import SHAPE
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.rooms import Rooms
from onmeet_node.testing import befriend as memory_friends
from onmeet_node.testing import number_of, numbered_audio, open_memory_network
from tests.node.api_reference import (
    documented,
    errors_named,
    errors_there_are,
    members,
    reference,
)
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

CACHE = Path(__file__).parents[2] / ".mypy_cache" / "examples"
API = Path(__file__).parents[2] / "docs" / "API.md"
Home = Callable[[str], str]


def _kinds() -> Iterator[type[events.NodeEvent]]:
    # Not `__subclasses__`: there, `slots=True` leaves a shadow of each class.
    for value in vars(events).values():
        if isinstance(value, type) and issubclass(value, events.NodeEvent) and value.name:
            yield value


def _events() -> str:
    rows = ["| event | when | fields |", "|---|---|---|"]
    for kind in sorted(_kinds(), key=lambda kind: kind.name):
        fields = [n for n in get_type_hints(kind) if n not in {"at", "name", "endless"}]
        when = " ".join((kind.__doc__ or "").split())
        rows.append(f"| `{kind.name}` | {when} | {', '.join(f'`{n}`' for n in fields)} |")
    return "\n" + "\n".join(rows) + "\n"


def _config() -> str:
    rows = ["| field | default | what it does |", "|---|---|---|"]
    said = re.findall(r'^    (\w+): .*\n    """(.*)"""$', inspect.getsource(Config), re.M)
    assert [name for name, _ in said] == [f.name for f in attrs.fields(Config)]
    defaults = {f.name: f.default for f in attrs.fields(Config)}
    rows += [
        f"| `{name}` | {_toml(defaults[name])} | {text.replace('``', '`')} |"
        for name, text in said
        if name != "home"
    ]
    return "\n" + "\n".join(rows) + "\n"


def _toml(default: object) -> str:
    value = list(default) if isinstance(default, tuple) else default
    return "" if value is None else f"`{json.dumps(value)}`"


def _control() -> str:
    rows = ["| request | what it does | fields | answer |", "|---|---|---|---|"]
    for name, request in REQUESTS.items():
        does = " ".join((request.__doc__ or "").split()).replace("|", "\\|")
        fields = "<br>".join(
            f"`{f.name}`{'' if f.default is attrs.NOTHING else '?'}: {f.metadata[SHAPE].describe()}"
            for f in attrs.fields(request)
            if f.name != "id"
        )
        rows.append(f"| `{name}` | {does} | {fields} | {_answer(request)} |")
    return "\n" + "\n".join(rows) + "\n"


def _answer(request: type[Request]) -> str:
    view = get_type_hints(COMMANDS[request])["return"]
    if view is type(None):
        return "`{}`"
    one = next(iter(get_args(view)), view)
    assert isinstance(one, type), request
    listed = "a list of: " if one is not view else ""
    return listed + ", ".join(f"`{f.name.rstrip('_')}`" for f in attrs.fields(one))


def _values(kind: type[enum.StrEnum]) -> str:
    return ", ".join(f"`{value}`" for value in kind)


TABLES: dict[str, Callable[[], str]] = {
    "events": _events,
    "config": _config,
    "control": _control,
    "states": lambda: _values(State),
    "reasons": lambda: _values(EndReason),
    "reference": reference,
}


def updated(text: str) -> str:
    """The document with its tables written anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        text = re.sub(f"{begin}.*?{end}", lambda _, t=table: begin + t() + end, text, flags=re.S)  # noqa: B023
    return text


def test_the_tables_are_those_of_the_code() -> None:
    text = API.read_text()
    assert text == updated(text), "run: python tests/node/test_api.py"


def test_every_error_that_a_docstring_names_is_one() -> None:
    assert len(named := errors_named()) > 10
    assert named <= errors_there_are()


def test_what_programs_are_given_says_what_it_is_for_and_has_its_types() -> None:
    for name, value in documented().items():
        assert inspect.getdoc(value), name
        if isinstance(value, type) and not issubclass(value, enum.Enum):
            for said, text in members(value):
                assert text or ":" in said, f"{name}: {said}"
                assert not re.search(r"\bAny\b", said), f"{name}: {said}"


OF: dict[str, type] = {
    "a node": Node,
    "`node.contacts`": Contacts,
    "a call": Call,
    "`node.rooms`": Rooms,
    "a conference": Conference,
}


def _said_of(head: str) -> list[str]:
    """What stands in backticks in the first column of the table "of …"."""
    (table,) = re.findall(rf"^\| of {head} \|.*?(?=\n\n)", API.read_text(), re.S | re.M)
    cells = [row.split(" | ")[0] for row in table.splitlines()[2:]]
    return [said for cell in cells for said in re.findall("`([^`]+)`", cell)]


@pytest.mark.parametrize("head", OF)
def test_what_the_tables_name_is_there_and_takes_what_they_say(head: str) -> None:
    cls = OF[head]
    parts = [one for one in cls.__mro__ if one is not object]
    source = "".join(map(inspect.getsource, parts))
    set_at_start = set(re.findall(r"^    (?:    self\.)?(\w+)\b", source, re.M))
    for said in _said_of(head):
        form = re.fullmatch(r"(await )?([\w.]+)(?:\((.*)\))?", said)
        assert form is not None, said
        awaited, name, arguments = form.groups()
        method = getattr(cls, name, None)
        if method is None or arguments is None:
            assert name.split(".")[0] in set_at_start or method is not None, said
            continue
        assert inspect.iscoroutinefunction(method) == bool(awaited), said
        taken = inspect.signature(method).parameters
        named = re.findall(r"(\w+)=", arguments)
        assert set(named) <= set(taken), said
        places = [one for one in taken.values() if one.kind is not one.KEYWORD_ONLY]
        given = [one for one in arguments.split(", ") if one and "=" not in one and one[0] != "*"]
        assert arguments.startswith("lambda") or len(given) < len(places), said


def examples() -> dict[str, str]:
    """All examples, by name."""
    return dict(re.findall(r"```python\n# example: ([\w ]+)\n(.*?)```", API.read_text(), re.S))


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)  # without a cache mypy reads all that is imported
def test_examples_are_strictly_typed_for_who_installed_the_package(tmp_path: Path) -> None:
    for name, code in examples().items():
        (tmp_path / f"{name.replace(' ', '_')}.py").write_text(code)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={CACHE}", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def example(name: str) -> dict[str, Any]:
    """The program of one example: what its names stand for once it is imported."""
    code = examples()[name]
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


@pytest.mark.real
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


@pytest.mark.real
async def test_the_recorder_keeps_what_it_is_sent(start: Start, home: Home, tmp_path: Path) -> None:
    bob = await start("Bob")
    file, code = tmp_path / "bob.mp4", await code_of(bob)
    with trio.fail_after(60):
        async with bob.incoming() as ringing, trio.open_nursery() as nursery:
            nursery.start_soon(example("recorder")["main"], home("Alice"), code, str(file), 3.0)
            (await ringing.receive()).accept()
    assert seconds_recorded(file, "video") > 1
    assert seconds_recorded(file, "audio") > 1


@pytest.mark.real
async def test_the_doorbell_plays_its_file_and_hangs_up(start: Start, tmp_path: Path) -> None:
    bell, bob = await start("Bell"), await start("Bob")
    code, file = await code_of(bob), tmp_path / "bell.wav"
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(48_000)
        sound.writeframes(bytes(48_000))
    with trio.fail_after(60):
        async with bob.incoming() as ringing, trio.open_nursery() as nursery:
            nursery.start_soon(example("doorbell")["ring"], bell, code, str(file))
            call = await ringing.receive()
            call.accept()
            assert await call.ended() is EndReason.PEER_HUNG_UP


@pytest.mark.real
async def test_the_note_taker_says_what_it_is_and_keeps_what_is_written(
    start: Start, tmp_path: Path
) -> None:
    ada, bot = await start("Ada"), await start("Bot")
    code, file = ada.rooms.code("Team"), tmp_path / "notes.txt"
    await ada.published()
    presence = RoomOptions(name="Ada", kinds=frozenset(Kind), wish=CallOptions(source="test"))
    hers = await ada.rooms.create("Team", presence, standing=True)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(example("note taker")["take_notes"], bot, code, file)
            with ada.watch() as events:
                line = await told(events, "room-chat")
                assert line["who"] == "Notes (bot)"
                assert "bot" in line["text"]
                await hers.say("Write this down.")
                await until(file.exists, "notes")
                hers.leave()
                await bot.rooms.find().met()
                bot.rooms.find().leave()
    assert file.read_text() == "Ada: Write this down.\n"


async def test_the_example_of_a_test_passes(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = types.ModuleType("echo")
    vars(bot).update(example("echo"))
    monkeypatch.setitem(sys.modules, "echo", bot)
    with trio.fail_after(600):
        await example("test")["test_the_bot_sends_back_what_it_hears"](autojump_clock)


async def test_twenty_talk_to_the_echo_at_once_and_one_more_hears_that_it_is_busy(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = types.ModuleType("echo")
    vars(bot).update(example("echo"))
    monkeypatch.setitem(sys.modules, "echo", bot)
    most = CALLS_OF_A_PROGRAM
    with trio.fail_after(3_600):
        async with open_memory_network() as network, trio.open_nursery() as nursery:
            echo = await network.node("Echo", source="none")
            nursery.start_soon(example("twenty at once")["serve"], echo)
            code = echo.contacts.codes.new("all", direct=True)
            await echo.published()
            callers = [
                await network.node(f"Caller {number}", source="none") for number in range(most + 1)
            ]
            async with AsyncExitStack() as calls:
                heard = []
                for number, caller in enumerate(callers[:most]):
                    said, tap = FrameFeed(), FrameTap(frozenset({Kind.AUDIO}))
                    wish = CallOptions(source=said, tap=tap)
                    call = await calls.enter_async_context(caller.call(code.uri, wish=wish))
                    await call.connected()
                    said.send(numbered_audio(number))
                    heard.append(tap)
                assert [number_of(await anext(tap)) for tap in heard] == [*range(most)]
                assert len([*echo.calls]) == most
                async with callers[most].call(code.uri) as call:
                    assert await call.ended() is EndReason.PEER_BUSY
            nursery.cancel_scope.cancel()


async def test_the_note_taker_needs_no_real_network(autojump_clock: object, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    with trio.fail_after(600):
        async with open_memory_network() as network, trio.open_nursery() as nursery:
            ada, bot = [await network.node(name, source="none") for name in ("Ada", "Bot")]
            code = ada.rooms.code("Team")
            await ada.published()
            presence = RoomOptions(name="Ada", kinds=frozenset(Kind), wish=CallOptions())
            hers = await ada.rooms.create("Team", presence, standing=True)
            with ada.watch() as events:
                nursery.start_soon(example("note taker")["take_notes"], bot, code, file)
                assert (await told(events, "room-chat"))["who"] == "Notes (bot)"
            await hers.say("Write this down.")
            await until(file.exists, "notes")
            nursery.cancel_scope.cancel()
    assert file.read_text() == "Ada: Write this down.\n"


async def test_the_answering_machine_leaves_a_call_to_who_is_quicker_in_no_time(
    autojump_clock: object, tmp_path: Path
) -> None:
    with trio.fail_after(600):
        async with open_memory_network() as network, trio.open_nursery() as nursery:
            alice, bob = await network.node("Alice"), await network.node("Bob")
            await memory_friends(alice, bob)
            nursery.start_soon(example("answering machine")["answering_machine"], bob, tmp_path)
            with bob.watch() as events:
                async with alice.call("Bob") as call:
                    await told(events, "incoming")
                    bob.find_call(None, {State.RINGING_IN}).accept()
                    await connected(call)
            nursery.cancel_scope.cancel()
    assert not list(tmp_path.iterdir())


@pytest.mark.real
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


if __name__ == "__main__":
    API.write_text(updated(API.read_text()))
