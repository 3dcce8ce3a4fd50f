"""``onmeet account``: TURN that an operator sells or rations, paid with tokens that tell nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from onmeet_node.cli.common import home_option, json_option, show, show_answer
from onmeet_node.control.client import ask
from onmeet_node.control.requests.account import BuyTokens, EnterSeat, LeaveAccount, ShowAccount
from onmeet_node.node.views import AccountView


@click.group("account")
def account_command() -> None:
    """Pays an operator for relaying, without being known by it: seat, status, buy, logout.

    No call needs it: it is for the last resort of media, where an operator sells or rations that.
    """


def _told(result: AccountView) -> None:
    click.echo(f"Issuer      {result.issuer}" + (f", by {result.via}" if result.via else ""))
    for each in result.tokens:
        when = {0: "this week", 1: "next week"}.get(each.week - result.this_week, "last week")
        click.echo(f"Tokens      {each.count} for {when}, at {each.bootstrap[-8:]}")
    if not result.tokens:
        click.echo("Tokens      none left")
    if result.at_need:
        click.echo(
            "Note        This week's were bought when they were needed: from the time the\n"
            "            operator may guess whose they are. The next week's are bought at a\n"
            "            random moment of the day before, if this node runs then."
        )
    if result.trouble:
        click.echo(f"Trouble     {result.trouble}")


@account_command.command("seat")
@click.argument("link")
@click.option("--via", default="", metavar="URL", help="A SOCKS proxy: socks5://127.0.0.1:9050.")
@home_option
@json_option
def seat_command(home: Path, link: str, via: str, *, as_json: bool) -> None:
    """Enters a seat's link (- reads it from the standard input), and buys this week's tokens."""
    link = sys.stdin.readline().strip() if link == "-" else link
    result = ask(home, EnterSeat(link=link, via=via))
    show_answer(result, AccountView, as_json=as_json, text=_told)


@account_command.command("status")
@home_option
@json_option
def status_command(home: Path, *, as_json: bool) -> None:
    """Shows the seat's issuer and the tokens that are left."""
    show_answer(ask(home, ShowAccount()), AccountView, as_json=as_json, text=_told)


@account_command.command("buy")
@home_option
@json_option
def buy_command(home: Path, *, as_json: bool) -> None:
    """Buys what is left of this week's tokens now. Without it they come the day before a week."""
    show_answer(ask(home, BuyTokens()), AccountView, as_json=as_json, text=_told)


@account_command.command("logout")
@home_option
@json_option
def logout_command(home: Path, *, as_json: bool) -> None:
    """Erases the seat and its tokens on this machine; its link works on elsewhere."""
    ask(home, LeaveAccount())
    show({"event": "account-left"}, as_json=as_json, text=lambda _: click.echo("Erased."))
