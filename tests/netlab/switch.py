"""Builds and drives `tapswitch`: a network segment with delay and loss."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("tapswitch.c")


class LabUnavailable(Exception):
    """This machine cannot do what the lab needs; the text says what is missing."""


def missing_for_switch() -> str | None:
    """Why there can be no delaying switch here, or None."""
    if not (shutil.which("cc") and Path("/usr/include/stdio.h").exists()):
        return "tapswitch needs a C compiler (apt-get install gcc libc6-dev)"
    if not Path("/dev/net/tun").exists():
        return "tapswitch needs /dev/net/tun (modprobe tun)"
    return None


@functools.cache
def build_switch() -> Path:
    """Compiles the switch, once per process, into a directory that goes with the process."""
    if reason := missing_for_switch():
        raise LabUnavailable(reason)
    directory = Path(tempfile.mkdtemp(prefix="onmeet-tapswitch-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    program = directory / "tapswitch"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", "-O2", *warnings, "-o", program, SOURCE], check=True)
    return program


class TapSwitch:
    """A running switch. `close` ends it, and with it the interfaces it made."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [build_switch()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise LabUnavailable(f"tapswitch refused {command!r}: {answer or 'it died'}")
        return answer[3:]

    def add(self, namespace: str, interface: str) -> None:
        """Plugs a new interface of this namespace into the switch."""
        self._ask(f"add {namespace} {interface}")

    def set(self, *, delay_ms: float, loss: float) -> None:
        """One-way delay in milliseconds and the share of frames lost (0 to 1), from now on."""
        self._ask(f"delay {round(delay_ms * 1000)}")
        self._ask(f"loss {round(loss * 1_000_000)}")

    def stats(self) -> tuple[int, int, int]:
        """Frames forwarded, lost on purpose, and lost because the queue was full."""
        forwarded, lost, overflowed = map(int, self._ask("stats").split())
        return forwarded, lost, overflowed

    def close(self) -> None:
        """Ends the switch. Harmless when done twice."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
