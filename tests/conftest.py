"""What all tests share."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import examples

# An example that takes 200 ms says how busy the machine is, not whether the code is right.
settings.register_profile(
    "busy machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=examples(100),
)
settings.load_profile("busy machine")

# A shell ignores Ctrl-C for what it runs in the background, and programs pass that on: without
# this, whoever is to be interrupted by a test would not hear of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


ALONE = ("tests/browser/", "tests/netlab/")
"""Two tests of these at once are more than two cores carry."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files side by side; but browsers and labs on one worker, from the beginning to their end."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "alone" if nodeid.startswith(ALONE) else super()._split_scope(nodeid)

        def _assign_work_unit(self, node: Any) -> None:
            if "alone" in self.workqueue:
                self.workqueue.move_to_end("alone", last=False)
            super()._assign_work_unit(node)

    return Scheduling(config, log)


class _Witness:
    """Sees what only a test that is marked `real` may do: sockets of a network, other processes."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is None:
            return
        if event in ("socket.bind", "socket.connect"):
            if arguments[0].family in (socket.AF_INET, socket.AF_INET6):
                self.seen.append(event)
        elif event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty"):
            self.seen.append(event)


_witness = _Witness()
sys.addaudithook(_witness)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        in_lab = {"lab", "slow_lab"} & set(getattr(item, "fixturenames", ()))
        if in_lab or item.get_closest_marker("netlab"):
            item.add_marker(pytest.mark.netlab)
            item.add_marker(pytest.mark.real)
    # What is quick comes first, so that a mistake is told soon; then the longest, so that in the
    # end no worker is waited for.
    real = {item.path for item in items if item.get_closest_marker("real")}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path in real, item.path not in slow))


@pytest.fixture(autouse=True)
def _nothing_real_unless_it_says_so(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("real"):
        yield
        return
    seen = _witness.seen = []
    yield
    _witness.seen = None
    if seen:
        pytest.fail(f"this test is real ({', '.join(sorted(set(seen)))}): mark it so")
