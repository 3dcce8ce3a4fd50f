"""The pages, built again after each change of their sources; and what makes windows reload.

NOTE: not Vite's own server. The app may run nothing but its node's own files (`web.access`), and
Vite's page has an inline style, a WebSocket elsewhere and other paths: a policy loose enough for it
would hide what breaks under the one that people get. So the built files are served, by the servers
that people get, with one more script among them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from onmeet_node.errors import OnMeetError

PAGES = ("app", "guest", "embed")
"""What `ui/watch.mjs` builds, each into a directory of its name."""

RELOAD = b"""// Loads the page again when it was built again. Served by `make dev` alone.
const shown = document.currentScript.dataset.build;
setInterval(async () => {
  const answer = await fetch("/dev.txt").catch(() => null); // null: being started again
  if (answer?.ok && (await answer.text()) !== shown) location.reload();
}, 500);
"""


class CannotBuild(OnMeetError):
    """Nothing builds the pages here."""


@attrs.frozen
class Built:
    """One build of one of `PAGES`, or what it failed of."""

    page: str
    seconds: float = 0.0
    trouble: str | None = None


def reloading(built: Mapping[str, bytes]) -> dict[str, bytes]:
    """These files, by path, whose pages reload when what is served in their place is another."""
    files = dict(built)
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name])
    build = digest.hexdigest()
    tag = f'<script src="/dev.js" data-build="{build}"></script>\n  '.encode()
    for name, data in files.items():
        if name.endswith(".html"):
            head, end, rest = data.partition(b"</head>")
            files[name] = head + tag + end + rest
    return {**files, "dev.js": RELOAD, "dev.txt": build.encode()}


@asynccontextmanager
async def watching(ui: Path, into: Path, on_built: Callable[[Built], None]) -> AsyncIterator[None]:
    """Builds into directories of `into` while the block runs, which begins after the first builds.

    Raises `CannotBuild`.
    """
    node = shutil.which("node")
    if node is None or not (ui / "node_modules").is_dir():
        raise CannotBuild("make dev needs Node.js 20 with npm: install it, and run make dev again.")
    missing = set(PAGES)
    all_built = trio.Event()

    async def listen(process: trio.Process) -> None:
        assert process.stdout is not None
        buffer = b""
        async for part in process.stdout:
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                built = Built(**json.loads(line))
                on_built(built)
                missing.discard(built.page)
            if not missing:
                all_built.set()
        raise CannotBuild("What builds the pages has ended; what it said stands above.")

    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(
                trio.run_process,
                [node, "watch.mjs", str(into)],
                cwd=ui,
                stdin=subprocess.PIPE,  # it ends when this does, even if we are killed
                stdout=subprocess.PIPE,
                check=False,
                start_new_session=True,  # Ctrl-C is for us; we end it after the nodes
            )
        )
        nursery.start_soon(listen, process)
        await all_built.wait()
        yield
        nursery.cancel_scope.cancel()
