"""A guest link as a piece of an e-mail: words and a button, and nothing that is fetched (P9)."""

from __future__ import annotations

import html

from onmeet_node.protocol.identity.text import clean_text

_BUTTON = (
    "display:inline-block;padding:12px 20px;border-radius:8px;background:#0b57d0;"
    "color:#ffffff;font-family:sans-serif;font-size:16px;text-decoration:none"
)


def email_plain(url: str, *, host: str, title: str, until: str, once: bool) -> str:
    """The plain part. `until` is a moment in words, or empty."""
    return "\n".join([*_lines(host, title, until, once=once), "", f"<{url}>", "", _SMALL, ""])


def email_html(url: str, *, host: str, title: str, until: str, once: bool) -> str:
    """The HTML part: inline styles alone, since mail programs throw away everything else."""
    first, *rest = (html.escape(line) for line in _lines(host, title, until, once=once))
    address = html.escape(url, quote=True)
    return "\n".join(
        [
            '<div style="font-family:sans-serif;font-size:16px;line-height:1.5">',
            f"<p>{first}</p>",
            f'<p><a href="{address}" rel="noreferrer" style="{_BUTTON}">Join the call</a></p>',
            *(f"<p>{line}</p>" for line in rest),
            f'<p style="font-size:13px;color:#555555">{html.escape(_SMALL)}</p>',
            "</div>",
            "",
        ]
    )


_SMALL = (
    "End-to-end encrypted with On-Meet. No account and no installation: the link opens in a "
    "browser. Whoever has the link can knock, so pass it on with care."
)


def _lines(host: str, title: str, until: str, *, once: bool) -> list[str]:
    name, subject = clean_text(host, 80), clean_text(title, 80)
    who = f"{name} invites you to a call" if name else "You are invited to a call"
    about = f": {subject}" if subject else ""
    lines = [f"{who}{about}."]
    if until:
        lines.append(f"The link works until {until}.")
    if once:
        lines.append("It lets one person in, once.")
    return lines
