"""``onmeet invite``, ``guests``, ``admit``, ``deny``: people who join from a browser by a link."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from onmeet_node.calls.sentences import when
from onmeet_node.cli.common import (
    MediaChoice,
    home_option,
    json_option,
    media_options,
    show,
    show_answer,
    table,
)
from onmeet_node.cli.stopping import Stopping
from onmeet_node.control.client import ask
from onmeet_node.control.requests.guests import (
    AdmitGuest,
    CloseLink,
    ListGuests,
    ListLinks,
    NewLink,
    SendGuestAway,
)
from onmeet_node.control.views import GuestLinkMade
from onmeet_node.guests.views import GuestLinkView, GuestView

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
MAX_SECONDS = 366 * 86_400


class _Span(click.ParamType):  # type: ignore[type-arg]  # click 8.1 and 8.2 differ
    """A length of time in seconds, or None for no end."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value is None or isinstance(value, int):
            return value
        if value == "never":
            return None
        match = re.fullmatch(r"(\d{1,6})([mhdw])", value)
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 60 <= seconds <= MAX_SECONDS:
            self.fail(
                f"{value!r} is no time to expire after: write 30m, 2h, 7d or 4w, at most a year, "
                "or never",
                param,
                ctx,
            )
        return seconds


@click.group("invite", invoke_without_command=True)
@click.option("--name", default="", help="What the call is about; guests see it.")
@click.option(
    "--expires",
    type=_Span(),
    default="7d",
    show_default=True,
    help="How long it works: 30m, 2h, 7d, 4w or never.",
)
@click.option(
    "--once/--room",
    default=True,
    help="For one guest, once (default); or for as many as come, again and again.",
)
@click.option(
    "--require-knock/--let-in",
    default=True,
    help="You admit each guest (default); or everyone with the link comes in.",
)
@click.option("--qr", is_flag=True, help="Also draw a QR code.")
@click.option("--email-snippet", is_flag=True, help="Also write it for an e-mail, plain and HTML.")
@home_option
@json_option
@click.pass_context
def invite_command(
    ctx: click.Context,
    home: Path,
    name: str,
    expires: int | None,
    *,
    once: bool,
    require_knock: bool,
    qr: bool,
    email_snippet: bool,
    as_json: bool,
) -> None:
    """Makes a link by which somebody joins a call from a browser, without an account.

    It works while your node runs. Close it with: onmeet invite close
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = (home, as_json)
        return
    request = NewLink(title=name, seconds=expires or 0, once=once, knock=require_knock)
    answer = ask(home, request)
    plain = html = ""
    if email_snippet:
        from onmeet_node.control.as_json import from_json
        from onmeet_node.guests.invitation import email_html, email_plain

        made = from_json(answer, GuestLinkMade)
        until = when(made.expires) if made.expires else ""
        facts = {"host": made.host or "", "title": made.title, "until": until}
        plain = answer["email_plain"] = email_plain(made.url, **facts, once=once)
        html = answer["email_html"] = email_html(made.url, **facts, once=once)

    def text(made: GuestLinkMade) -> None:
        click.echo(made.url)
        if qr:
            from onmeet_node.protocol.identity.code import qr_terminal

            click.echo(qr_terminal(made.url))
        if email_snippet:
            click.echo(f"\n--- plain ---\n{plain}")
            click.echo(f"--- html ---\n{html}")
        until = f"until {when(made.expires)}" if made.expires else "until you close it"
        who = "one guest" if made.once else "guests"
        how = (
            "They knock; let them in with: onmeet admit"
            if made.knock
            else "Everyone with it comes in."
        )
        click.echo(
            f"\nLets {who} in {until}, while your node runs. {how}\n"
            f"Take it back with: onmeet invite close {made.link}",
            err=True,
        )

    show_answer(answer, GuestLinkMade, as_json=as_json, text=text)


@invite_command.command("list")
@home_option
@json_option
def invite_list(home: Path, *, as_json: bool) -> None:
    """The links that let guests in."""

    def text(result: list[GuestLinkView]) -> None:
        table(
            "Guest links",
            ("id", "about", "for", "until", "now", "link"),
            (
                (
                    row.link,
                    row.title,
                    ("one guest" if row.once else "everyone") + ("" if row.knock else ", let in"),
                    when(row.expires) if row.expires else "you close it",
                    "open" if row.open else row.trouble or "not open yet",
                    row.url,
                )
                for row in result
            ),
            empty="No guest links. Make one with: onmeet invite",
        )

    show_answer(ask(home, ListLinks()), list[GuestLinkView], as_json=as_json, text=text)


@invite_command.command("close")
@click.argument("link")
@home_option
@json_option
def invite_close(home: Path, link: str, *, as_json: bool) -> None:
    """Closes LINK (its id or what it is about) at once; who waits at it is told."""
    show_answer(
        ask(home, CloseLink(link=link)),
        GuestLinkView,
        as_json=as_json,
        text=lambda made: click.echo(f"The link {made.link} no longer works."),
    )


@click.command("guests")
@home_option
@json_option
def guests_command(home: Path, *, as_json: bool) -> None:
    """Who knocks, and who is in."""

    def text(result: list[GuestView]) -> None:
        table(
            "Guests",
            ("name", "state", "link", "id"),
            ((row.name, row.state, row.title or row.link, row.guest.hex()[-8:]) for row in result),
            empty="No guest is at the door.",
        )

    show_answer(ask(home, ListGuests()), list[GuestView], as_json=as_json, text=text)


@click.command("admit")
@click.argument("who", default="")
@media_options
@home_option
@json_option
def admit_command(home: Path, who: str, *, media: MediaChoice, as_json: bool) -> None:
    """Lets in the guest who knocks; WHO is a name or an id, if several do."""
    request = AdmitGuest(
        guest=who or None,
        kinds=media.kinds,
        relay_only=media.relay_only,
        headless=media.headless,
    )
    show_answer(
        ask(home, request),
        GuestView,
        as_json=as_json,
        text=lambda guest: click.echo(f"{guest.name} comes in."),
    )


@click.command("deny")
@click.argument("who", default="")
@click.option("--close-link", is_flag=True, help="Also close the link that they came by.")
@home_option
@json_option
def deny_command(home: Path, who: str, *, close_link: bool, as_json: bool) -> None:
    """Sends a guest away, from the door or out of the call."""
    show_answer(
        ask(home, SendGuestAway(guest=who or None, close_link=close_link)),
        GuestView,
        as_json=as_json,
        text=lambda guest: click.echo(f"{guest.name} was sent away."),
    )


@click.command("join")
@click.argument("link", envvar="ONMEET_LINK")
@click.option("--name", required=True, help="What the host sees of you.")
@click.option("--seconds", type=click.FloatRange(0.1, 86_400), help="Leave after this long.")
@click.option("--source", default="none", help="test, none, devices, or a media file to send.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="File for what they send (.mkv .mp4 .webm .wav).",
)
@click.option("--relay-only", is_flag=True, help="Media through a relay alone.")
@click.option(
    "--patience",
    type=click.FloatRange(0),
    default=None,
    help="Seconds to try again while the host is away (default: until you leave).",
)
@click.option("--plain", is_flag=True, hidden=True, help="Without TLS: as a proxy would come.")
@json_option
def join_command(
    link: str,
    name: str,
    seconds: float | None,
    source: str,
    record: Path | None,
    patience: float | None,
    *,
    relay_only: bool,
    plain: bool,
    as_json: bool,
) -> None:
    """Joins a call by a guest link, without a browser and without a node of your own.

    LINK may be - for standard input, or ONMEET_LINK: an argument is seen by everybody on this
    machine. While the host is away it is tried again, and each try is told. Ctrl-C leaves; the
    exit status is then 130 for who was not in yet.
    """
    import json
    import math
    import sys
    import time

    stopping = Stopping()
    from onmeet_node.errors import first
    from onmeet_node.joining.join import join
    from onmeet_node.joining.options import GuestOptions

    def tell(event: str, **fields: Any) -> None:
        if as_json:
            line = json.dumps({"t": time.monotonic(), "event": event, **fields})
        else:
            line = " ".join([event, *(f"{key}={value}" for key, value in fields.items() if value)])
        click.echo(line)
        sys.stdout.flush()

    url = sys.stdin.readline().strip() if link == "-" else link
    visitor = GuestOptions(
        name=name,
        source=source,
        record=record,
        relay_only=relay_only,
        seconds=seconds,
        patience=math.inf if patience is None else patience,
        plain=plain,
    )
    inside = False
    reason: str | None = None

    def follow(event: str, **fields: Any) -> None:
        nonlocal inside
        inside = inside or event in {"admitted", "room"}
        tell(event, **fields)

    async def until_left() -> None:
        nonlocal reason
        with stopping.scope():
            reason = await join(url, visitor, follow)

    try:
        stopping.run(until_left)
    except ExceptionGroup as group:
        raise first(group) from None
    tell("ended", reason=reason or ("left" if inside else "cancelled"))
    if reason is None and not inside:
        raise SystemExit(130)


@click.group("guest-page")
def guest_page_command() -> None:
    """The page that guests see: whether an operator serves it as it was published."""


@guest_page_command.command("hashes")
@json_option
def guest_page_hashes(*, as_json: bool) -> None:
    """The SHA-256 of each file of the page, as of this release."""
    from onmeet_node.guest_page import hashes

    def text(found: dict[str, str]) -> None:
        for path, digest in found.items():
            click.echo(f"{digest}  {path}")

    show(hashes(), as_json=as_json, text=text)


@guest_page_command.command("verify")
@click.argument("url")
@json_option
def guest_page_verify(url: str, *, as_json: bool) -> None:
    """Compares the page that the server at URL sends with the one of this release.

    The exit status is 1 if anything differs. What it sends to others, or at another time, this
    cannot tell.
    """
    import attrs

    from onmeet_node.guest_page import verify

    compared = [attrs.asdict(one) for one in verify(url)]
    clean = all(one["result"] == "same" for one in compared)

    def text(found: list[dict[str, Any]]) -> None:
        for one in found:
            click.echo(f"{one['result']:8} {one['path']}")
        click.echo(
            "It is the page of this release."
            if clean
            else "It is not the page of this release. Ask the operator which version it runs, and "
            "use no guest links on it until that is clear."
        )

    show(compared, as_json=as_json, text=text)
    raise SystemExit(0 if clean else 1)
