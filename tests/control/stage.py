"""Where scenes are played, and what of them is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.control.commands import Commands, Tap
from tests.control.nodes import SECONDS, Lines, World, talk
from tests.control.normal import Normal
from tests.control.pages import Page, token_for

Step = dict[str, Any]
LONGEST = 600.0
"""For what goes on as long as its node does."""


class Later:
    """A request over the control socket whose answer takes until something else happens."""

    def __init__(self, home: Path, request: dict[str, Any], record: Callable[[Step], None]) -> None:
        self.answer: list[dict[str, Any]] = []
        self._request = request
        self._record = record
        self._thread = threading.Thread(
            target=self._listen, args=(home, json.dumps(request).encode()), daemon=True
        )
        self._thread.start()

    def _listen(self, home: Path, request: bytes) -> None:
        for line in talk(home, request, LONGEST):
            self.answer.append(line)

    def told(self, event: str, **fields: Any) -> bool:
        """Whether this came so far."""
        if any("error" in line for line in tuple(self.answer)):
            raise AssertionError(f"{self._request}: {self.answer}")
        return any(
            line.get("event") == event and all(line[k] == v for k, v in fields.items())
            for line in tuple(self.answer)
        )

    def end(self, shown: Callable[[list[Any]], Any]) -> list[dict[str, Any]]:
        """Waits for the last line; records all."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), (self._request, self.answer)
        self._record({"request": self._request, "answer": shown(self.answer)})
        return self.answer


class Stage:
    """One recording: its processes, and the scenes that were played so far."""

    def __init__(self, directory: Path, stack: ExitStack, scenes: dict[str, list[Step]]) -> None:
        self.directory = directory
        self.scenes = scenes
        self.world = World(directory, stack)
        self.taps: dict[str, Tap] = {}
        self.steps: list[Step] = []
        self.normal = Normal({})
        self.type: Commands
        self.tokens: dict[str, str] = {}
        self._pages: list[Page] = []
        self.guests: dict[str, Lines] = {}
        self._stack = stack

    @contextmanager
    def scene(self, name: str) -> Iterator[None]:
        """What is recorded inside is of this scene; its placeholders are its own."""
        self.steps = self.scenes[name] = []
        self.normal = Normal({str(self.directory): "<dir>"})
        self.type = Commands(self.normal, self.record)
        try:
            yield
        except BaseException as error:
            error.add_note(f"in the scene {name!r}, after {json.dumps(self.steps[-1:])[:2000]}")
            raise

    def record(self, step: Step) -> None:
        """Keeps a step of the scene that is on."""
        self.steps.append(step)

    def tap(self, name: str) -> Tap:
        """Before the control socket of this node."""
        if name not in self.taps:
            tap = Tap(self.directory / "at" / name, self.directory / name)
            self._stack.callback(tap.close)
            self.taps[name] = tap
        return self.taps[name]

    def on(self, name: str, *arguments: str, **options: Any) -> list[dict[str, Any]]:
        """``onmeet …`` at this person's node."""
        return self.type.at(self.tap(name), *arguments, **options)

    def later(self, name: str, do: str, /, **fields: Any) -> Later:
        """A request at this person's node, which goes on meanwhile."""

        def record(step: Step) -> None:
            self.record({"at": name, **step, "request": self.normal.value(step["request"])})

        return Later(self.directory / name, {"do": do, **fields}, record)

    def raw(self, name: str, request: bytes) -> None:
        """What no command sends, over the control socket."""
        shown = request.decode() if len(request) < 200 else f"<{len(request)} bytes>"
        answer = [self.normal.value(line) for line in talk(self.directory / name, request)]
        self.record({"at": name, "request": self.normal.text(shown), "answer": answer})

    @contextmanager
    def page(self, name: str, **hello: Any) -> Iterator[Page]:
        """A window of this person's app."""
        port, code = self.world.app_of(name)
        if name not in self.tokens:
            self.tokens[name] = token_for(port, code)
        hello.setdefault("token", self.tokens[name])
        page = Page(name, port, hello.pop("token"), self.normal, self.record, self._pages,
                    **hello)  # fmt: skip
        self._pages.append(page)
        try:
            yield page
        finally:
            self._pages.remove(page)
            page.close()
