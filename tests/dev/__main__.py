"""``make dev``: Ann, Bob, a bootstrap with a gateway, and their pages built at every change.

All of it is one process and the builder of the pages, and ends with Ctrl-C. What it keeps (two
homes, the bootstrap's key, the pages) is in one directory, which may be deleted at any time.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import click
import trio
from onmeet_bootstrap.app import Bootstrap, open_bootstrap
from onmeet_bootstrap.config.model import SEED_BYTES, BootstrapConfig, GuestsConfig

from onmeet_node import guest_page
from onmeet_node.cli.stopping import Stopping
from onmeet_node.config import Config
from onmeet_node.errors import OnMeetError, first
from onmeet_node.process.suggestions import command
from onmeet_node.web.server import built_files
from tests.dev.person import Person, introduce
from tests.dev.watching import Built, reloading, watching

ROOT = Path(__file__).parents[2]
LOOPBACK = "/ip4/127.0.0.1/tcp"


@click.command()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / ".dev",
    help="Where everything is that this makes.",
)
@click.option(
    "--first-port",
    type=click.IntRange(0, 65_532),
    default=8100,
    show_default=True,
    help="Of four: the gateway's, Ann's, Bob's, the bootstrap's. 0: free ones.",
)
@click.option(
    "--ui",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=ROOT / "ui",
    help="The sources of the pages.",
)
def main(directory: Path, first_port: int, ui: Path) -> None:
    """Two nodes, a bootstrap with a gateway and reloading pages, until Ctrl-C."""
    stopping = Stopping()
    directory = directory.absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        stopping.run(_main, stopping, directory, first_port, ui.absolute())
    except* OnMeetError as errors:
        raise click.ClickException(str(first(errors))) from None


async def _main(stopping: Stopping, directory: Path, first_port: int, ui: Path) -> None:
    app: dict[str, bytes] = {}
    pages = directory / "pages"
    bootstrap: Bootstrap | None = None

    def guest() -> dict[str, bytes]:
        parts = (guest_page.files(pages / part) for part in ("guest", "embed"))
        return reloading({name: data for part in parts for name, data in part.items()})

    def show(built: Built) -> None:
        if built.trouble is not None:
            _say(f"The {built.page} page was not built:\n{built.trouble}")
            return
        _say(f"Built the {built.page} page in {built.seconds:.1f} s.")
        with suppress(FileNotFoundError):  # it is being built once more, and that is told, too
            if built.page == "app":
                files = reloading(built_files(pages / "app"))
                app.clear()
                app.update(files)
            elif bootstrap is not None:
                bootstrap.show_guest_page(guest())

    def port(number: int) -> int:
        return first_port + number if first_port else 0

    with stopping.scope():
        _say("Building the pages …")
        async with (
            watching(ui, pages, show),
            open_bootstrap(_bootstrap(directory, port(0), port(3))) as bootstrap,
            trio.open_nursery() as nursery,
        ):
            bootstrap.show_guest_page(guest())
            people = [
                Person(name, _node(directory / name.lower(), bootstrap), port(number), app)
                for number, name in ((1, "Ann"), (2, "Bob"))
            ]
            for person in people:
                await nursery.start(person.run)
            await introduce(*people)
            _say(
                *(f"{person.name}'s app: {person.url()}" for person in people),
                "Each address works once, for a minute. For another, or for any other command:",
                *(
                    f"  {command('.venv/bin/onmeet', 'open', '--home', directory / name)}"
                    for name in ("ann", "bob")
                ),
                f"Guests come to {bootstrap.guest_origin}. Ctrl-C ends all of it.",
            )
            await trio.sleep_forever()


def _bootstrap(directory: Path, web: int, port: int) -> BootstrapConfig:
    """With the same key at every start, so that links and what the nodes remember go on."""
    key = directory / "bootstrap.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(SEED_BYTES))
    return BootstrapConfig(
        seed=key.read_bytes(),
        operator="make dev",
        listen=(f"{LOOPBACK}/{port}",),
        guests=GuestsConfig(serve=True, listen=(f"127.0.0.1:{web}",)),
    )


def _node(home: Path, bootstrap: Bootstrap) -> Config:
    return Config(
        home=home,
        listen=(f"{LOOPBACK}/0",),
        bootstraps=bootstrap.addresses,
        lan=False,
        source="test",  # for calls that are taken by a command, with no window
    )


def _say(*lines: str) -> None:
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
