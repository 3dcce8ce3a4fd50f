"""A small site of the operator: what this is, its policy, and a way to write to it.

Plain HTML, no script, no cookie, nothing kept. What a person typed comes back with each error.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import html
import re
import smtplib
import ssl
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import aclosing
from email.errors import MessageError
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs

import attrs
import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from onmeet_bootstrap.config.model import SiteConfig
from onmeet_bootstrap.errors import SettingsError
from onmeet_bootstrap.gateway.policy import Policy, in_force, read_policies
from onmeet_bootstrap.gateway.texts import WORDS, language_of
from onmeet_node.net.rates import AllowedRate, RateLimit

MAX_NAME, MAX_EMAIL, MAX_MESSAGE = 80, 254, 4_000
MAX_BODY_BYTES = 64 * 1024
SMTP_SECONDS = 20.0
BY_ADDRESS = AllowedRate(per_minute=5 / 60, burst=5)
BY_ALL = AllowedRate(per_minute=2, burst=60)
MAX_LOCAL = 64
"""Of what stands before the @ (RFC 5321, 4.5.3.1.1)."""
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")
"""A dot-atom at a name (RFC 5322, 3.4.1): no quoted words, comments or address literals."""
_ENCODED_WORD = "=?"
"""Begins an encoded word (RFC 2047), which mail programs would read as something else."""
_ODD = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories of what no line of text holds: controls, halves of pairs, line separators."""
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Turn around what follows: a name with them would read as another."""
_CSP = (
    "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-inline-size:40rem;"
    "margin:auto;padding:1rem}label{display:block;margin-block:1rem}input,textarea{display:block;"
    "inline-size:100%;font:inherit;padding:.5rem;box-sizing:border-box}.bad{color:light-dark(#b3261e,"
    "#ff9a92)}pre{white-space:pre-wrap;font:inherit}button{font:inherit;padding:.5rem 1.25rem}"
    "nav a{margin-inline-end:1rem}"
)


class MailRefused(Exception):
    """The operator's mail server did not take a message."""


@attrs.frozen
class Letter:
    """What somebody wrote."""

    name: str = attrs.field(repr=False)
    email: str = attrs.field(repr=False)
    message: str = attrs.field(repr=False)


def check(letter: Letter) -> dict[str, str]:
    """What is wrong with each field, as a key of `words`; nothing where all is well."""
    wrong: dict[str, str] = {}
    if not letter.name.strip():
        wrong["name"] = "name.empty"
    elif len(letter.name) > MAX_NAME:
        wrong["name"] = "name.long"
    elif _odd(letter.name):
        wrong["name"] = "name.odd"
    if (problem := _check_email(letter.email)) is not None:
        wrong["email"] = problem
    if not letter.message.strip():
        wrong["message"] = "message.empty"
    elif len(letter.message) > MAX_MESSAGE:
        wrong["message"] = "message.long"
    elif _odd(letter.message, but="\r\n\t\u2028\u2029" + "".join(_BIDI)):
        wrong["message"] = "message.odd"
    return wrong


def _check_email(email: str) -> str | None:
    if len(email) > MAX_EMAIL or _odd(email):
        return "email.bad"
    if not email.isascii():
        return "email.letters"
    local = email.partition("@")[0]
    if not _EMAIL.fullmatch(email) or len(local) > MAX_LOCAL or _ENCODED_WORD in email:
        return "email.bad"
    return None


def _odd(text: str, but: str = "") -> bool:
    return any(
        char not in but and (char in _BIDI or unicodedata.category(char) in _ODD) for char in text
    )


def letter_of(config: SiteConfig, letter: Letter) -> EmailMessage:
    """What is sent of a letter that `check` finds nothing wrong with."""
    message = EmailMessage()
    message["From"] = config.mail_from
    message["To"] = config.mail_to
    message["Reply-To"] = letter.email
    message["Subject"] = "On-Meet: a message from your site"
    text = "\n".join(letter.message.splitlines())
    message.set_content(f"{letter.name} <{letter.email}>\n\n{text}\n")
    return message


def send(config: SiteConfig, letter: Letter) -> None:
    """Sends one letter to the operator (SMTP, RFC 5321). Blocks. Raises `MailRefused`.

    The writer is named in Reply-To alone: a server that forged its From would be refused.
    """
    try:
        message = letter_of(config, letter)
        kind = smtplib.SMTP_SSL if config.smtp_tls == "implicit" else smtplib.SMTP
        with kind(config.smtp_host, config.smtp_port, timeout=SMTP_SECONDS) as server:
            if config.smtp_tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if config.smtp_user:
                server.login(config.smtp_user, Path(config.smtp_password_file).read_text().strip())
            server.send_message(message)
    except (OSError, smtplib.SMTPException, MessageError, ValueError, LookupError) as error:
        raise MailRefused(type(error).__name__) from error


class Site:
    """The routes. Raises `SettingsError` for a site that cannot be served."""

    def __init__(
        self,
        config: SiteConfig,
        facts: Mapping[str, object],
        headers: Mapping[str, str],
        *,
        prefix_of: Callable[[Request], str],
        today: Callable[[], datetime.date] = datetime.date.today,
        send: Callable[[SiteConfig, Letter], None] = send,
    ) -> None:
        """`headers`: of every page. `prefix_of`: the network that a request comes from."""
        self._config = config
        self._facts = facts
        self._headers = {**headers, "content-security-policy": _CSP.format(style=_digest(_STYLE))}
        self._prefix_of = prefix_of
        self._today = today
        self._send = send
        self._policies: tuple[Policy, ...] = read_policies(config.policies, today())
        self.contact = bool(config.mail_to)
        if self.contact and not (config.smtp_host and config.mail_from):
            raise SettingsError("[site] mail_to needs smtp_host and mail_from as well. Set both.")
        self.letters = RateLimit(BY_ADDRESS, trio.current_time)
        self._all = RateLimit(BY_ALL, trio.current_time)
        self.routes = [
            Route("/", self._home, methods=["GET"]),
            Route("/policy", self._policy, methods=["GET"]),
        ]
        if self.contact:
            self.routes.append(Route("/contact", self._contact, methods=["GET", "POST"]))

    async def _home(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        words = self._words(request)
        region = str(self._facts.get("region", ""))
        operator = html.escape(str(self._facts.get("operator", "")))
        lines = [f"<h1>{words['title']}</h1>", f"<p>{words['lead']}</p>"]
        if operator:
            lines.append(f"<p>{words['operator']} <bdi>{operator}</bdi>.</p>")
        if region in words:
            lines.append(f"<p>{words['place']} {words[region]}.</p>")
        return self._page(request, lines)

    async def _policy(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        words, today = self._words(request), self._today()
        lines = [f"<h1>{words['policy']}</h1>"]
        now = in_force(self._policies, today)
        if not self._policies:
            lines.append(f"<p>{words['no-policy']}</p>")
        for policy in self._policies:
            if policy.effective > today:
                told = words["announced"].format(
                    version=policy.version, posted=policy.posted, date=policy.effective
                )
            elif policy is now:
                told = words["in-force"].format(version=policy.version, date=policy.effective)
            else:
                continue
            lines.append(f"<h2>{told}</h2><pre>{html.escape(policy.text)}</pre>")
        return self._page(request, lines)

    async def _contact(self, request: Request) -> Response:
        words = self._words(request)
        letter, wrong, said, status = Letter("", "", ""), dict[str, str](), "", 200
        if request.method == "POST":
            if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
                return self._page(request, [f"<h1>{words['contact']}</h1>"], status=403)
            letter = await _read(request)
            wrong = check(letter)
            if wrong:
                said, status = "correct", 422
            elif not self.letters.allow(self._prefix_of(request)) or not self._all.allow("all"):
                said, status = "busy", 429
            else:
                try:
                    await trio.to_thread.run_sync(self._send, self._config, letter)
                except MailRefused:
                    said, status = "failed", 502
                else:
                    lines = [
                        f"<h1>{words['contact']}</h1>",
                        f'<p role="status">{words["sent"]}</p>',
                    ]
                    return self._page(request, lines)
        else:
            await trio.lowlevel.checkpoint()
        return self._page(request, _form(words, letter, wrong, said), status=status)

    def _words(self, request: Request) -> dict[str, str]:
        return WORDS[language_of(request.headers.get("accept-language", ""))]

    def _page(self, request: Request, lines: list[str], *, status: int = 200) -> Response:
        words = self._words(request)
        language = language_of(request.headers.get("accept-language", ""))
        links = [("/", "home"), ("/policy", "policy")]
        links += [("/contact", "contact")] if self.contact else []
        nav = "".join(f'<a href="{path}">{words[name]}</a>' for path, name in links)
        text = (
            f'<!doctype html><html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">'
            f'<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f'<title>{words["title"]}</title><link rel="icon" href="data:,">'
            f"<style>{_STYLE}</style></head><body><nav>{nav}</nav><main>{''.join(lines)}</main>"
            "</body></html>"
        )
        headers = {**self._headers, "cache-control": "no-store", "vary": "accept-language"}
        return Response(text, status, headers, "text/html")


def _form(
    words: Mapping[str, str], letter: Letter, wrong: Mapping[str, str], said: str
) -> list[str]:
    def field(name: str, kind: str, value: str, most: int) -> str:
        bad = wrong.get(name)
        marked = f' aria-invalid="true" aria-describedby="{name}-bad"' if bad else ""
        told = f'<span class="bad" id="{name}-bad">{words[bad]}</span>' if bad else ""
        common = f'name="{name}" required{marked}'
        if kind == "textarea":
            control = f'<textarea {common} rows="8">{html.escape(value)}</textarea>'
        else:
            control = (
                f'<input {common} type="{kind}" maxlength="{most}" value="{html.escape(value)}">'
            )
        return f"<label>{words[name]} {control}{told}</label>"

    return [
        f"<h1>{words['contact']}</h1>",
        f'<p class="bad" role="alert">{words[said]}</p>' if said else "",
        '<form method="post" action="/contact" novalidate>',
        field("name", "text", letter.name, MAX_NAME),
        field("email", "email", letter.email, MAX_EMAIL),
        field("message", "textarea", letter.message, MAX_MESSAGE),
        f"<p>{words['kept']}</p><button>{words['send']}</button></form>",
    ]


async def _read(request: Request) -> Letter:
    """The form that was sent; empty where it is too long to be one, or none."""
    body = bytearray()
    try:
        async with aclosing(request.stream()) as parts:
            async for part in parts:
                body += part
                if len(body) > MAX_BODY_BYTES:
                    return Letter("", "", "")
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=8)
    except (ClientDisconnect, UnicodeDecodeError, ValueError):
        return Letter("", "", "")
    return Letter(*(fields.get(name, [""])[0] for name in ("name", "email", "message")))


def _digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
