"""``onmeet code``, ``contacts``, ``profile``: who can reach you, and whom you know."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

from onmeet_node.calls.sentences import when
from onmeet_node.cli.common import home_option, json_option, revoke_hint, show_answer, table
from onmeet_node.contacts.views import CodeView, ContactView, ProfileView
from onmeet_node.control.client import ask, stream
from onmeet_node.control.requests.people import (
    AddContact,
    ChangePerson,
    ChangeProfile,
    FieldChange,
    ListCodes,
    ListContacts,
    NewCode,
    PersonAction,
    RevokeCode,
    SayCode,
    Verify,
)
from onmeet_node.control.views import CodeRevoked, ContactAdded, ContactNumber
from onmeet_node.process.suggestions import below, command
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.identity.profile import Field, Share


# ── codes ────────────────────────────────────────────────────────────────────────────────────────
@click.group("code")
def code_command() -> None:
    """Contact codes: what you give to people so that they can reach you."""


@code_command.command("new")
@click.option("--label", default=None, help="What it is for; only you see it.")
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="Stop working after this.")
@click.option(
    "--hide-address",
    is_flag=True,
    help="Records for this code carry relay addresses only, not your own.",
)
@click.option("--qr", is_flag=True, help="Also draw a QR code.")
@home_option
@json_option
def code_new(
    home: Path, label: str | None, days: int | None, *, hide_address: bool, qr: bool, as_json: bool
) -> None:
    """Makes a code. Whoever holds it can ask to be a contact, and ring you."""

    def text(result: CodeView) -> None:
        click.echo(result.uri)
        if qr:
            from onmeet_node.protocol.identity.code import qr_terminal

            click.echo(qr_terminal(result.uri))
        click.echo(
            f"\nGive this code ({result.label}) to people you trust to ring you. "
            f"Take it back with: {command('onmeet', 'code', 'revoke', '--', result.label)}",
            err=True,
        )

    result = ask(home, NewCode(label=label, days=days or 0, direct=not hide_address, settle=True))
    show_answer(result, CodeView, as_json=as_json, text=text)


@code_command.command("say")
@click.option("--label", default=None, help="What the code is called by which they came.")
@click.option("--name", default=None, help="Your own name for them.")
@home_option
@json_option
def code_say(home: Path, label: str | None, name: str | None, *, as_json: bool) -> None:
    """A code to say aloud, as 7-crossover-clockwork, to one person who types it now.

    Waits for them, ten minutes at most; then each of you has the other as a contact. Whoever
    guesses has one try, and you are told. Ctrl-C takes the code back.
    """
    from onmeet_node.control.as_json import from_json

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for line in stream(home, SayCode(label=label, name=name)):
            if as_json:
                click.echo(json.dumps(line.get("result", line), ensure_ascii=False))
            elif "result" in line:
                _tell_added(from_json(line["result"], ContactAdded))
            else:
                click.echo(line["code"])
                there = command("onmeet", "contacts", "add", line["code"])
                click.echo(
                    f"\nSay it to them now; they type it in their app, or: {there}\n"
                    f"It waits {line['seconds'] // 60} minutes, for one try. Ctrl-C takes it back.",
                    err=True,
                )
    except KeyboardInterrupt:
        click.echo("The code is taken back.", err=True)
        raise SystemExit(130) from None


@code_command.command("list")
@home_option
@json_option
def code_list(home: Path, *, as_json: bool) -> None:
    """The codes that work now."""

    def text(result: list[CodeView]) -> None:
        table(
            "Contact codes",
            ("label", "until", "your address", "code"),
            (
                (
                    row.label,
                    when(row.expires) if row.expires else "you revoke it",
                    "shown" if row.direct else "hidden",
                    row.uri,
                )
                for row in result
            ),
            empty="No codes. Make one with: onmeet code new",
        )

    show_answer(ask(home, ListCodes()), list[CodeView], as_json=as_json, text=text)


@code_command.command("revoke")
@click.argument("label")
@click.option(
    "--drop-requests", is_flag=True, help="Also erase the requests that came by it and wait."
)
@home_option
@json_option
def code_revoke(home: Path, label: str, *, drop_requests: bool, as_json: bool) -> None:
    """Takes a code back: it stops working at once, and strangers who came by it are cut off.

    Contacts made with it stay.
    """

    def text(result: CodeRevoked) -> None:
        click.echo(f"The code {label!r} no longer works.")
        if drop_requests:
            number = result.dropped
            click.echo("One request was erased." if number == 1 else f"{number} requests erased.")

    result = ask(home, RevokeCode(label=label, drop=drop_requests))
    show_answer(result, CodeRevoked, as_json=as_json, text=text)


# ── contacts ─────────────────────────────────────────────────────────────────────────────────────
@click.group("contacts")
def contacts_command() -> None:
    """The people you know."""


@contacts_command.command("add")
@click.argument("code")
@click.option("--name", default=None, help="Your own name for them.")
@click.option("--note", default=None, help="A line to go with the request (280 characters).")
@home_option
@json_option
def contacts_add(
    home: Path, code: str, name: str | None, note: str | None, *, as_json: bool
) -> None:
    """Adds the person who gave you CODE, and asks them to accept you.

    CODE is a contact code, or one that they say to you now, as 7-crossover-clockwork: then both of
    you are added.
    """
    show_answer(
        ask(home, AddContact(code=code, name=name, note=note)),
        ContactAdded,
        as_json=as_json,
        text=_tell_added,
    )


def _tell_added(added: ContactAdded) -> None:
    sent = (
        "Your request has reached them."
        if added.delivered
        else "They are not reachable now; the request is delivered when both of you are online."
    )
    click.echo(f"Added {added.name}. {sent}")


@contacts_command.command("list")
@home_option
@json_option
def contacts_list(home: Path, *, as_json: bool) -> None:
    """Contacts, requests and people you blocked."""

    def text(result: list[ContactView]) -> None:
        table(
            "Contacts",
            ("name", "state", "verified", "last seen", "identity", "came by"),
            (
                (
                    row.name,
                    row.state,
                    "yes" if row.verified else "no",
                    when(row.last_seen),
                    row.identity.hex()[:16],
                    row.code or "",
                )
                for row in result
            ),
            empty="No contacts. Add somebody with: onmeet contacts add CODE",
        )
        for label in sorted({row.code for row in result if row.code}):
            click.echo(revoke_hint(label))

    show_answer(ask(home, ListContacts()), list[ContactView], as_json=as_json, text=text)


def _who_command(action: PersonAction, done: str, text: str) -> None:
    @contacts_command.command(action.value, help=text)
    @click.argument("who")
    @home_option
    @json_option
    def command(home: Path, who: str, *, as_json: bool) -> None:
        show_answer(
            ask(home, ChangePerson(who=who, action=action)),
            ContactView,
            as_json=as_json,
            text=lambda result: click.echo(done.format(name=result.name)),
        )


_who_command(PersonAction.ACCEPT, "{name} is now a contact.", "Accepts a contact request.")
_who_command(
    PersonAction.BLOCK,
    "{name} is blocked, and does not learn of it. Everybody else gets a new key to find you.\n"
    "This holds on all your devices.",
    "Refuses all contact with somebody, who learns nothing of it.",
)
_who_command(PersonAction.REMOVE, "{name} is forgotten.", "Deletes a contact for good.")


@contacts_command.command("verify")
@click.argument("who")
@click.option("--matches", is_flag=True, help="You compared the number, and it is the same.")
@home_option
@json_option
def contacts_verify(home: Path, who: str, *, matches: bool, as_json: bool) -> None:
    """Shows the safety number to compare with WHO; with --matches, marks it as compared."""

    def text(result: ContactNumber) -> None:
        number = result.safety_number
        groups = [number[i : i + 5] for i in range(0, len(number), 5)]
        for row in range(0, len(groups), 4):
            click.echo("  " + "  ".join(groups[row : row + 4]))
        if result.verified:
            click.echo(f"{result.name} is verified.")
        else:
            click.echo(
                f"\nRead this to {result.name} over the phone or in person. If they see the "
                "same:" + below(f"onmeet contacts verify {result.identity.hex()[:12]} --matches")
            )

    show_answer(
        ask(home, Verify(who=who, matches=matches)), ContactNumber, as_json=as_json, text=text
    )


# ── profile ──────────────────────────────────────────────────────────────────────────────────────
_FIELDS = ("name", "country", "phone", "email")


@click.command("profile")
@click.option("--name", default=None, help="How you are called.")
@click.option("--country", default=None, help="Two letters, as CA or DE.")
@click.option("--phone", default=None)
@click.option("--email", default=None)
@click.option(
    "--share",
    multiple=True,
    metavar="FIELD=WHO",
    help="Who sees a field: everyone, contacts or nobody; as --share phone=contacts.",
)
@click.option(
    "--reach",
    type=click.Choice(["anyone", "codes", "contacts"]),
    default=None,
    help="Who can ring you.",
)
@click.option(
    "--busy", type=click.Choice(["tell", "hide"]), default=None, help="When you are in a call."
)
@home_option
@json_option
def profile_command(
    home: Path,
    share: tuple[str, ...],
    reach: str | None,
    busy: str | None,
    *,
    as_json: bool,
    **given: str | None,
) -> None:
    """Shows or changes what others see of you, and who can reach you."""
    shares: dict[str, Share] = {}
    for item in share:
        name, _, who = item.partition("=")
        if name not in _FIELDS or who not in set(Share):
            raise click.UsageError(
                f"--share {item!r}: write FIELD=everyone, =contacts or =nobody, FIELD being one "
                f"of {', '.join(_FIELDS)}."
            )
        shares[name] = Share(who)
    fields = tuple(
        FieldChange(name=Field(name), value=given[name], share=shares.get(name))
        for name in _FIELDS
        if given[name] is not None or name in shares
    )

    def text(result: ProfileView) -> None:
        table(
            "Your profile",
            ("field", "value", "shown to"),
            (
                (name, result.text(Field(name)) or "-", result.shares[Field(name)])
                for name in _FIELDS
            ),
            empty="",
        )
        click.echo(f"Who can ring you: {result.reach}. When busy: {result.busy}.")

    result = ask(
        home,
        ChangeProfile(
            fields=fields,
            reach=ReachPolicy(reach) if reach else None,
            busy=Busy(busy) if busy else None,
        ),
    )
    show_answer(result, ProfileView, as_json=as_json, text=text)
