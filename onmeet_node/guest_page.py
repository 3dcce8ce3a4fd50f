"""The guest page as it was built, and whether an operator serves that page and no other.

The page is the one thing that a guest takes from the operator on trust: `verify` compares what a
server sends, byte for byte, with the page of this release.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from onmeet_node.errors import OnMeetError

BUILT = Path(__file__).parent / "web" / "guest"
PATHS = {"j.html": "/j", "e.html": "/e"}
"""Where a file is served, if not at its own path."""
TIMEOUT_SECONDS = 15.0
MAX_BYTES = 4 * 2**20
_MUST = ("default-src 'none'", "connect-src 'self'")
_IMPORT_MAP = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


class NotBuilt(OnMeetError):
    """There is no guest page in this installation."""


class CannotCompare(OnMeetError):
    """The server's page could not be fetched."""


@attrs.frozen
class Compared:
    """One file of the page."""

    path: str
    sha256: str
    """Of this release's, in hex."""
    result: str
    """``same``, ``differs`` or ``missing``."""


def files(directory: Path = BUILT) -> Mapping[str, bytes]:
    """Every file of the page; none if it was not built (``make ui``)."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def script_sources(page: bytes) -> str:
    """Directive of a Content-Security-Policy for this page: its own scripts, and its import map.

    The map is inline, as no browser takes it otherwise; it holds by their hashes the scripts that
    the page loads later.
    """
    maps = (hashlib.sha256(found).digest() for found in _IMPORT_MAP.findall(page))
    allowed = (f"'sha256-{base64.b64encode(digest).decode()}'" for digest in maps)
    return " ".join(("script-src 'self'", *allowed))


def hashes(directory: Path = BUILT) -> dict[str, str]:
    """SHA-256 of each file in hex, by the path it is served at. Raises `NotBuilt`."""
    found = {
        PATHS.get(name, f"/{name}"): hashlib.sha256(data).hexdigest()
        for name, data in files(directory).items()
    }
    if not found:
        raise NotBuilt(
            "This installation has no guest page to compare with: it was built without Node.js 20. "
            "Install that, and run: make ui"
        )
    return found


def verify(url: str, directory: Path = BUILT) -> list[Compared]:
    """Compares what the server of `url` sends with this release. Blocks; takes some requests.

    Raises `NotBuilt`, and `CannotCompare` when the server cannot be asked.
    """
    own = hashes(directory)
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or parts.hostname is None:
        raise CannotCompare(f"{url.partition('#')[0]!r} is no address of a web server.")
    compared: list[Compared] = []
    policy: str | None = None
    try:
        for path, digest in own.items():
            status, body, csp = _fetch(parts.scheme, parts.hostname, parts.port, path)
            if path == PATHS["j.html"]:
                policy = csp
            same = hashlib.sha256(body).hexdigest() == digest
            result = "missing" if status != http.HTTPStatus.OK else "same" if same else "differs"
            compared.append(Compared(path, digest, result))
    except (OSError, http.client.HTTPException) as error:
        raise CannotCompare(
            f"{parts.hostname} could not be asked ({error}). Check the address and the network."
        ) from error
    # The whole directive: one that allows more than ours begins like ours.
    scripts = script_sources(files(directory).get("j.html", b""))
    said = [directive.strip() for directive in (policy or "").split(";")]
    strict = all(must in said for must in (*_MUST, scripts))
    compared.append(Compared("Content-Security-Policy of /j", "", "same" if strict else "differs"))
    return compared


def _fetch(scheme: str, host: str, port: int | None, path: str) -> tuple[int, bytes, str | None]:
    """Status, body and security policy of one page. A redirect is an answer like any other."""
    connection: http.client.HTTPConnection
    if scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            host, port, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers={"Accept-Encoding": "identity"})
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise http.client.HTTPException("it sends more than a page has")
        return answer.status, body, answer.getheader("content-security-policy")
    finally:
        connection.close()
