"""`onmeet-bootstrap accounts`: for an operator who sells or rations TURN."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onmeet_bootstrap.cli.output import CommandOutput, options_of
from onmeet_bootstrap.errors import BootstrapError, SettingsError
from onmeet_node.process.suggestions import command

if TYPE_CHECKING:
    from onmeet_bootstrap.accounts.ledger import Ledger

DAY = 86_400


_common = options_of(
    "ONMEET_ACCOUNTS_HOME", "Directory of the configuration and the ledger; not the bootstrap's."
)


def _home(given: Path | None) -> Path:
    from onmeet_bootstrap.accounts.config import default_home

    return (given or default_home()).absolute()


@contextmanager
def _told(output: CommandOutput) -> Iterator[None]:
    """Says what went wrong. Without the extra it says how that is installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"alembic", "gmpy2", "sqlalchemy"}:
            raise
        output.fail(
            SettingsError(f"{missing} is not installed: pip install 'onmeet-node[accounts]'")
        )
    except BootstrapError as error:
        output.fail(error)


@click.group()
def accounts() -> None:
    """Sell or ration TURN, without learning whose calls it carries: seats and tokens.

    Optional, a process of its own; a bootstrap's [tokens] says that it takes what is bought here.
    """


@accounts.command()
@_common
@click.option("--issuer", required=True, metavar="NAME", help="As in accounts.example.org.")
@click.option(
    "--spent-at",
    multiple=True,
    required=True,
    metavar="PEERID",
    help="The bootstrap where tokens are spent; repeatable, the most used first.",
)
@click.option("--listen", multiple=True, metavar="ADDRESS:PORT", help="Where to listen.")
@click.option("--certificate", default="", metavar="FILE", help="PEM chain for that name.")
@click.option("--key", default="", metavar="FILE", help="PEM key of the certificate.")
@click.option("--public-keys", default="", metavar="FILE", help="Where the bootstrap reads them.")
def init(
    *,
    home: Path | None,
    as_json: bool,
    issuer: str,
    spent_at: tuple[str, ...],
    listen: tuple[str, ...],
    certificate: str,
    key: str,
    public_keys: str,
) -> None:
    """Write a commented configuration."""
    output = CommandOutput(as_json=as_json)
    with _told(output):
        from onmeet_bootstrap.accounts.config import checked, create

        where = _home(home)
        config = checked(
            {
                "issuer": issuer,
                "bootstraps": list(spent_at),
                "certificate": certificate,
                "key": key,
                "public_keys": public_keys,
                **({"listen": list(listen)} if listen else {}),
            }
        )
        path = create(where, config)
        keys = config.keys_path(where)
        output.event(
            "initialized",
            f"Wrote {path}\nIn the bootstrap's configuration: [tokens] serve = true, issuer = "
            f'"{issuer}", keys = "{keys}"\n'
            f"Next: {command('onmeet-bootstrap', 'accounts', 'run', '--home', where)}",
            config=str(path),
            public_keys=str(keys),
        )


@accounts.command()
@_common
def run(*, home: Path | None, as_json: bool) -> None:
    """Serve until interrupted (SIGINT, SIGTERM)."""
    import os

    import trio

    from onmeet_bootstrap.forgetting.sweep import wiping_environment

    output = CommandOutput(as_json=as_json)
    if (environment := wiping_environment(os.environ)) is not None:
        # As the bootstrap's `run`: what is freed is overwritten from the start.
        again = [sys.executable, "-m", "onmeet_bootstrap", *sys.argv[1:]]
        os.execve(sys.executable, again, environment)  # noqa: S606
    with _told(output), output.not_waiting() as handler:
        trio.run(_serve, _home(home), output, handler)


async def _serve(home: Path, output: CommandOutput, handler: Any) -> None:
    import signal

    import trio

    from onmeet_bootstrap.accounts.config import load
    from onmeet_bootstrap.accounts.server import open_accounts
    from onmeet_bootstrap.forgetting.hardening import refuse_core_dumps
    from onmeet_bootstrap.host import silence_libraries

    silence_libraries(handler)
    refuse_core_dumps()
    config = load(home)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_accounts(home, config) as server:
            output.event(
                "started",
                "\n".join([f"Serving {config.issuer} at:", *server.addresses]),
                issuer=config.issuer,
                addresses=list(server.addresses),
                public_keys=str(config.keys_path(home)),
            )
            async for _ in signals:
                break
    output.event("stopped", "Stopped.")


@contextmanager
def _ledger(home: Path) -> Iterator[Ledger]:
    from onmeet_bootstrap.accounts.config import load
    from onmeet_bootstrap.accounts.ledger import open_ledger

    load(home)  # so that no ledger is made where there is no service
    with open_ledger(home) as ledger:
        yield ledger


@accounts.group()
def seats() -> None:
    """Seats: codes that buy tokens. Whom you give one to, this service does not know."""


@seats.command("add")
@_common
@click.argument("label")
@click.option("--seats", "count", type=click.IntRange(1, 10_000), default=1, help="How many.")
@click.option("--tokens-per-week", type=click.IntRange(1, 512), default=40, help="For each seat.")
@click.option("--days", type=click.IntRange(1, 3_660), default=365, help="Valid from today.")
def add(
    *, home: Path | None, as_json: bool, label: str, count: int, tokens_per_week: int, days: int
) -> None:
    """Make a group of seats, and print their links: they are shown once, and kept nowhere.

    LABEL is yours alone, as in "Class 7b, winter": leave persons' names out.
    """
    import secrets
    import time

    output = CommandOutput(as_json=as_json)
    with _told(output):
        from onmeet_bootstrap.accounts.config import load
        from onmeet_node.protocol.wire.seat import CODE_BYTES, SeatLink, hash_of

        where = _home(home)
        if not 0 < len(label) <= 80 or not label.isprintable():
            raise SettingsError("A label has 1 to 80 characters that can be shown.")
        issuer = load(where).issuer
        codes = [secrets.token_bytes(CODE_BYTES) for _ in range(count)]
        last_day = int(time.time()) // DAY + days
        with _ledger(where) as ledger:
            group = ledger.add_group(label, tokens_per_week, last_day, map(hash_of, codes))
        links = [str(SeatLink(issuer, code)) for code in codes]
        output.event("seats", "\n".join(links), group=group, links=links, last_day=_date(last_day))


@seats.command("list")
@_common
def list_seats(*, home: Path | None, as_json: bool) -> None:
    """List groups, in numbers."""
    import time

    output = CommandOutput(as_json=as_json)
    with _told(output):
        from onmeet_node.protocol.wire.weeks import epoch_of

        with _ledger(_home(home)) as ledger:
            groups = ledger.groups(epoch_of(time.time()))
        if not groups and not as_json:
            output.event("group", "No seats yet: onmeet-bootstrap accounts seats add LABEL")
        for each in groups:
            output.event(
                "group",
                f"{each.group:4}  {each.label}: {each.seats} seats of {each.tokens_per_week} tokens"
                f" a week until {_date(each.last_day)}; {each.issued} bought for this week and the"
                " next",
                group=each.group,
                label=each.label,
                seats=each.seats,
                tokens_per_week=each.tokens_per_week,
                last_day=_date(each.last_day),
                issued=each.issued,
            )


@seats.command("end")
@_common
@click.option("--group", type=int, default=None, help="All seats of this group.")
@click.option("--link", default=None, help="The seat with this link alone; - reads it from input.")
def end(*, home: Path | None, as_json: bool, group: int | None, link: str | None) -> None:
    """End a group, or one seat, at once. Tokens that are bought already can still be spent."""
    output = CommandOutput(as_json=as_json)
    with _told(output):
        from onmeet_node.protocol.wire.seat import BadSeat, SeatLink, hash_of

        if (group is None) == (link is None):
            raise SettingsError("Say either --group or --link.")
        with _ledger(_home(home)) as ledger:
            ended = 1
            if group is not None:
                ended = ledger.end_group(group)
            else:
                try:
                    text = sys.stdin.readline() if link == "-" else str(link)
                    ledger.end_seat(hash_of(SeatLink.parse(text).code))
                except BadSeat as error:
                    raise SettingsError(str(error)) from error
        output.event("ended", f"{ended} seats ended.", seats=ended)


@accounts.command()
@_common
def status(*, home: Path | None, as_json: bool) -> None:
    """Say how many seats there are, and what was bought: numbers alone."""
    import time

    output = CommandOutput(as_json=as_json)
    with _told(output):
        from onmeet_node.protocol.wire.weeks import epoch_of

        week = epoch_of(time.time())
        with _ledger(_home(home)) as ledger:
            groups, keys = ledger.groups(week), ledger.stored_keys()
        told = {
            "week": week,
            "groups": len(groups),
            "seats": sum(each.seats for each in groups),
            "tokens": sum(each.issued for each in groups),
            "keys": sum(key.private is not None for key in keys),
        }
        width = max(map(len, told))
        lines = [f"{name:{width}}  {value}" for name, value in told.items()]
        output.event("status", "\n".join(lines), **told)


@accounts.command()
@_common
def doctor(*, home: Path | None, as_json: bool) -> None:
    """Say what works and what does not, and what to do about it.

    The exit status is 1 if anything is bad.
    """
    import attrs

    output = CommandOutput(as_json=as_json)
    with _told(output):
        from onmeet_bootstrap.accounts.doctor import examine_accounts
        from onmeet_node.findings import Level

        worst = False
        for finding in examine_accounts(_home(home)):
            worst = worst or finding.level is Level.BAD
            remedy = f"\n      {finding.remedy}" if finding.remedy else ""
            text = f"{finding.level:4}  {finding.what}{remedy}"
            output.event("finding", text, **attrs.asdict(finding))
        sys.exit(worst)


def _date(day: int) -> str:
    import datetime

    return datetime.date.fromordinal(datetime.date(1970, 1, 1).toordinal() + day).isoformat()
