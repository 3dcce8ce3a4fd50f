"""The command line in this process, with a recorder between it and the node's control socket.

Each command runs twice: with ``--json`` at the node, and then in words at what the node had
answered. So the words are of the same answer, and what changes something is done once.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.control.nodes import SECONDS
from tests.control.normal import Normal, same

Exchange = tuple[dict[str, Any], list[bytes]]


class Tap:
    """A control socket in front of a node's own: passes on, and keeps, what is said."""

    def __init__(self, place: Path, real: Path) -> None:
        self.place = place
        self._real = real
        self.exchanges: list[Exchange] = []
        self.replay: list[Exchange] | None = None
        self.on_line: Callable[[dict[str, Any]], None] = lambda _: None
        place.mkdir(mode=0o700, parents=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place / "control.sock"))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            with link, contextlib.suppress(OSError):
                link.settimeout(SECONDS)
                self._one(link)

    def _one(self, link: socket.socket) -> None:
        with link.makefile("rb") as lines:
            request = lines.readline()
        if self.replay is not None:
            asked, answers = self.replay.pop(0)
            if not same(asked, json.loads(request)):
                answers = [b'{"error": "in words it asks something else"}\n']
            for line in answers:
                link.sendall(line)
            return
        kept: list[bytes] = []
        self.exchanges.append((json.loads(request), kept))
        with socket.socket(socket.AF_UNIX) as real:
            real.settimeout(SECONDS)
            try:
                real.connect(str(self._real / "control.sock"))
            except OSError:
                return
            real.sendall(request)
            with real.makefile("rb") as answers_of:
                for line in answers_of:
                    kept.append(line)
                    link.sendall(line)
                    self.on_line(json.loads(line))


def run(*arguments: str) -> tuple[int, str, str]:
    """``onmeet …`` in this thread, which is the main one: exit code, output, errors."""
    from onmeet_node.cli import main

    out, errors, code = io.StringIO(), io.StringIO(), 0
    before = sys.argv, {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = ["onmeet", *arguments]
    try:
        with (
            Path(os.devnull).open(encoding="utf-8") as nothing,
            patch.object(sys, "stdin", nothing),
            patch.object(sys.modules["__main__"], "__package__", None),  # click names it by that
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    finally:
        sys.argv = before[0]
        for number, handler in before[1].items():
            signal.signal(number, handler)
    return code, out.getvalue(), errors.getvalue()


class Commands:
    """What one person types, recorded."""

    def __init__(self, normal: Normal, record: Callable[[dict[str, Any]], None]) -> None:
        self._normal = normal
        self._record = record

    def at(
        self,
        tap: Tap,
        *arguments: str,
        events: bool = False,
        trim: Any = None,
        words: Callable[[list[str]], list[str]] | None = None,
        machine: bool = False,
    ) -> Any:
        """A command that asks the node behind `tap`; the lines of its ``--json``.

        `events`: what it tells comes in any order. `trim`: makes the same of what depends on the
        machine, in every line; `words` does so for what people read. `machine`: its words and exit
        code say how this machine is.
        """
        home = ["--home", str(tap.place)]
        tap.exchanges.clear()
        code, out, errors = run(*arguments, *home, "--json")
        kept = list(tap.exchanges)
        tap.replay = list(kept)
        try:
            coded, spoken, errors_too = run(*arguments, *home)
        finally:
            tap.replay = None
        told = [json.loads(line) for line in out.splitlines()]
        shown = [self._shown(line, trim) for line in told]
        answers = [[self._shown(json.loads(x), trim) for x in lines] for _, lines in kept]
        step: dict[str, Any] = {"command": self._said(arguments), "asks": [], "json": shown}
        for (asked, _), lines in zip(kept, answers, strict=True):
            ordered = in_any_order(lines) if events else lines
            step["asks"].append({"request": self._normal.value(asked), "answer": ordered})
        last = answers[-1][-1] if answers and answers[-1] else {}
        if len(shown) == 1 and same(shown[0], last.get("result")):
            step["json"] = "the result"
        elif events:
            step["json"] = in_any_order(shown)
        lines = self._words(spoken, events=events)
        step["words"] = words(lines) if words is not None else lines
        step["errors"] = self._normal.lines(errors_too)
        if errors != errors_too and self._normal.lines(errors) != step["errors"]:
            step["errors with json"] = self._normal.lines(errors)
        step["exit"] = code if code == coded else [code, coded]
        if machine:
            del step["words"], step["exit"]
        self._record(step)
        return told

    def alone(self, *arguments: str, json_too: bool = True, trim: Any = None) -> None:
        """A command that asks no node, or finds none."""
        step: dict[str, Any] = {"command": self._said(arguments)}
        code, out, errors = run(*arguments, *(["--json"] if json_too else []))
        if json_too:
            lines = [json.loads(line) for line in out.splitlines()]
            step["json"] = [self._shown(line, trim) for line in lines]
        else:
            step["words"] = self._words(out)
        step |= {"errors": self._normal.lines(errors), "exit": code}
        self._record(step)

    def _said(self, arguments: tuple[str, ...]) -> str:
        return self._normal.text(" ".join(["onmeet", *map(_quoted, arguments)]))

    def _shown(self, line: Any, trim: Any) -> Any:
        return self._normal.value(trim(line) if trim is not None else line)

    def _words(self, text: str, *, events: bool = False) -> list[str]:
        lines = self._normal.lines(text)
        return sorted(set(lines)) if events else lines


def in_any_order(lines: list[Any]) -> list[Any]:
    """Each line once, in an order that no schedule decides; the result last."""
    once = {json.dumps(line): line for line in lines}
    return [once[key] for key in sorted(once, key=lambda key: ("result" in once[key], key))]


def _quoted(word: str) -> str:
    return word if word and " " not in word else repr(word)
