"""`onmeet-bootstrap`: for the operator of a bootstrap. Answers at once: heavy imports come late."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from onmeet_bootstrap.cli.output import CommandOutput, common_options, home_of
from onmeet_bootstrap.errors import BootstrapError
from onmeet_node.process.suggestions import command


class _Commands(click.Group):
    """Loads what belongs to the optional accounts service when it is named, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        return [*super().list_commands(ctx), "accounts"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """See click."""
        if name == "accounts":
            from onmeet_bootstrap.cli.accounts import accounts

            return accounts
        return super().get_command(ctx, name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="onmeet-node", prog_name="onmeet-bootstrap")
def main() -> None:
    """Run a bootstrap: the way into On-Meet for new nodes, and a relay for those behind NATs.

    It holds no key that opens a call, and nothing about a call once that is over.
    """


@main.command()
@common_options
@click.option("--operator", default="", metavar="NAME", help="Who runs this, as users read it.")
@click.option("--region", type=click.Choice(["ca", "de"]), help="Where this machine stands.")
@click.option("--listen", multiple=True, metavar="MULTIADDR", help="Where to listen; repeatable.")
@click.option(
    "--announce", multiple=True, metavar="MULTIADDR", help="Told to others instead; repeatable."
)
@click.option(
    "--public-address",
    multiple=True,
    metavar="IP",
    help="Where this machine is reached; with it, TURN is served. Repeatable (IPv4 and IPv6).",
)
@click.option("--domain", default="", metavar="NAME", help="Its host name, for TURN over TLS.")
@click.option("--certificate", default="", metavar="FILE", help="PEM chain for that name.")
@click.option("--key", default="", metavar="FILE", help="PEM key of the certificate.")
@click.option("--tls-port", type=int, default=None, help="For TURN over TLS, 443 say.")
def init(
    *,
    home: Path | None,
    as_json: bool,
    operator: str,
    region: str | None,
    listen: tuple[str, ...],
    announce: tuple[str, ...],
    public_address: tuple[str, ...],
    domain: str,
    certificate: str,
    key: str,
    tls_port: int | None,
) -> None:
    """Write a commented configuration and a new key."""
    from onmeet_bootstrap.config.file import KEY_NAME, announced, checked, create
    from onmeet_bootstrap.config.model import DEFAULT_LISTEN

    output = CommandOutput(as_json=as_json)
    listen = listen or DEFAULT_LISTEN
    try:
        config = checked(
            {
                "operator": operator,
                "region": region or "",
                "listen": list(listen),
                "announce": list(announce or announced(listen, public_address)),
            },
            {
                "serve": bool(public_address),
                "public": list(public_address),
                "domain": domain,
                "certificate": certificate,
                "key": key,
                **({"tls_port": tls_port} if tls_port is not None else {}),
            },
        )
        path = create(home_of(home), config)
    except BootstrapError as error:
        output.fail(error)
        return
    output.event(
        "initialized",
        f"Wrote {path}\nand {KEY_NAME} beside it: keep a copy, it fixes this bootstrap's address.\n"
        f"Next: {command('onmeet-bootstrap', 'run', '--home', path.parent)}",
        config=str(path),
        key=str(path.with_name(KEY_NAME)),
    )


@main.command()
@common_options
def run(*, home: Path | None, as_json: bool) -> None:
    """Serve until interrupted (SIGINT, SIGTERM). Writes nothing to disk.

    SIGHUP takes a renewed certificate into use.
    """
    import os

    import trio

    from onmeet_bootstrap.config.file import load
    from onmeet_bootstrap.forgetting.sweep import wiping_environment
    from onmeet_bootstrap.preflight import require_startable

    output = CommandOutput(as_json=as_json)
    try:
        config = load(home_of(home))
        if (environment := wiping_environment(os.environ)) is not None:
            # glibc reads it as a process starts, so this one starts again, under the same id.
            # fmt: off
            os.execve(sys.executable, [sys.executable, "-m", "onmeet_bootstrap", *sys.argv[1:]], environment)  # noqa: E501, S606
            # fmt: on
        require_startable(config)
        with output.not_waiting() as handler:
            trio.run(_serve, config, home_of(home), output, handler)
    except BootstrapError as error:
        output.fail(error)


async def _serve(config: Any, home: Path, output: CommandOutput, handler: Any) -> None:
    import os
    import signal

    import attrs
    import trio

    from onmeet_bootstrap.app import open_bootstrap
    from onmeet_bootstrap.forgetting.hardening import lock_memory, refuse_core_dumps
    from onmeet_bootstrap.host import raise_file_limit, silence_libraries
    from onmeet_bootstrap.preflight import certificate_ends
    from onmeet_bootstrap.status import serve_status
    from onmeet_bootstrap.watching.log_lines import LogLines
    from onmeet_bootstrap.watching.metrics import Measured
    from onmeet_bootstrap.watching.service_manager import service_manager
    from onmeet_bootstrap.watching.serving import serve_metrics

    manager, ends = service_manager(), certificate_ends(config)
    handler.setFormatter(LogLines(as_json=output.as_json, journal="JOURNAL_STREAM" in os.environ))
    silence_libraries(handler)
    raise_file_limit()
    refuse_core_dumps()
    memory = lock_memory()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with (
            open_bootstrap(config) as bootstrap,
            serve_status(home, lambda: {**attrs.asdict(bootstrap.counts()), "memory": memory}),
            serve_metrics(
                config.metrics,
                lambda: Measured(bootstrap.counts(), memory == "locked", ends),
                bootstrap.troubles,
            ),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(manager.keep_alive, bootstrap.health)
            output.event(
                "started",
                "\n".join(
                    [
                        "Serving. Nodes enter by any of:",
                        *bootstrap.addresses,
                        *([f"Guests: {bootstrap.guest_origin}"] if bootstrap.guest_origin else []),
                    ]
                ),
                guests=bootstrap.guest_origin,
                addresses=list(bootstrap.addresses),
                peer=bootstrap.peer_id,
                region=config.region,
                operator=config.operator,
            )
            manager.ready(bootstrap.health())
            async for signum in signals:
                if signum != signal.SIGHUP:
                    break
                manager.reloading()
                try:
                    bootstrap.reload()
                except BootstrapError as error:  # the old one serves on
                    output.event("not-reloaded", f"{error} The old certificate stays in use.")
                else:
                    ends = certificate_ends(config)
                    output.event("reloaded", "Took the certificate's files anew.")
                manager.ready(bootstrap.health())
            manager.stopping()
            nursery.cancel_scope.cancel()
            output.event("stopping", "Stopping.")
    output.event("stopped", "Stopped.")


@main.command()
@common_options
def status(*, home: Path | None, as_json: bool) -> None:
    """Say how much the running bootstrap holds: numbers alone, nothing about who."""
    from onmeet_bootstrap.status import ask_status

    output = CommandOutput(as_json=as_json)
    try:
        told = ask_status(home_of(home))
    except BootstrapError as error:
        output.fail(error)
        return
    width = max(map(len, told))
    lines = [f"{name.replace('_', ' '):{width}}  {_shown(value)}" for name, value in told.items()]
    output.event("status", "\n".join(lines), **told)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{kind}: {count}" for kind, count in value.items()) or "none"
    return str(value)


@main.command()
@common_options
@click.option(
    "--outside",
    multiple=True,
    metavar="MULTIADDR",
    help="Look at the bootstrap at this address as a node on this machine sees it; repeatable.",
)
def doctor(*, home: Path | None, as_json: bool, outside: tuple[str, ...]) -> None:
    """Say what works and what does not, and what to do about it; changes nothing.

    The exit status is 1 if anything is bad.
    """
    import attrs
    import trio

    from onmeet_bootstrap.doctor.inside import examine_inside
    from onmeet_bootstrap.doctor.outside import examine
    from onmeet_bootstrap.host import silence_libraries
    from onmeet_node.findings import Finding, Level

    output = CommandOutput(as_json=as_json)
    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        remedy = f"\n      {finding.remedy}" if finding.remedy else ""
        output.event(
            "finding", f"{finding.level:4}  {finding.what}{remedy}", **attrs.asdict(finding)
        )

    silence_libraries()
    if outside:
        trio.run(examine, outside, tell)
    else:
        trio.run(examine_inside, home_of(home), tell)
    sys.exit(any(finding.level is Level.BAD for finding in found))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def audit(*, as_json: bool) -> None:
    """Show that a bootstrap forgets: stage a call, end it, and search for what it was told.

    Runs a bootstrap with coturn and two nodes of its own on this machine, as root in network
    namespaces; a bootstrap that is serving is not touched. The exit status is 1 on a find.
    """
    import tempfile

    import trio

    from onmeet_bootstrap.audit.report import run_audit

    output = CommandOutput(as_json=as_json)
    clean = False
    try:
        with tempfile.TemporaryDirectory(prefix="onmeet-audit-") as root:
            clean = trio.run(run_audit, Path(root), output.event)
    except* BootstrapError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, Exception)
        output.fail(error)
    sys.exit(not clean)
