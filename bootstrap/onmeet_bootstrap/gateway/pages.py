"""The guest page's files as browsers are sent them: from memory, with what they may do said."""

from __future__ import annotations

import gzip
import hashlib
import json
import mimetypes
from collections.abc import Callable, Mapping

import trio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from onmeet_node import guest_page

_PAGES = {"j": "j.html", "e": "e.html"}
_CSP = (
    "default-src 'none'; {scripts}; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {ancestors}; require-trusted-types-for 'script'; "
    "trusted-types lit-html"
)
COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": (
        "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), "
        "fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), geolocation=(), "
        "browsing-topics=()"
    ),
}
"""Headers of everything that the gateway sends."""


class GatewayPages:
    """The page, and what the server says of itself."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        facts: Mapping[str, object],
        *,
        embed_allow: tuple[str, ...],
        secure: Callable[[], bool],
    ) -> None:
        """`embed_allow`: origins that may show the page in a frame. `secure`: reached by HTTPS."""
        self.show(files)
        self._facts = json.dumps(facts, ensure_ascii=False).encode()
        self._embed_allow = embed_allow
        self._secure = secure

    def show(self, files: Mapping[str, bytes]) -> None:
        """Serves these from now on: the page as it is built anew while somebody works on it."""
        self._files = files
        # Once, and with nothing of anybody's in them: no length tells a secret (BREACH).
        self._packed = {name: gzip.compress(data, mtime=0) for name, data in files.items()}
        self._scripts = {
            name: guest_page.script_sources(files[name])
            for name in _PAGES.values()
            if name in files
        }

    async def file(self, request: Request) -> Response:
        """One file; 404 for whatever is none."""
        await trio.lowlevel.checkpoint()
        asked = request.path_params["path"]
        if asked in {"j/", "e/"}:
            # Browsers keep the fragment, which holds the link.
            return RedirectResponse(f"/{asked[0]}", status_code=308, headers=COMMON)
        if asked.startswith(("j#", "e#")):
            # A link whose # was encoded on its way. The page takes it out of the address.
            asked = asked[0]
        name = _PAGES.get(asked, asked)
        content = self._files.get(name)
        if content is None:
            return Response("There is nothing here.", status_code=404, headers=COMMON)
        headers = dict(COMMON)
        if self._secure():
            headers["strict-transport-security"] = "max-age=31536000"
        if asked in _PAGES:
            allowed = " ".join(self._embed_allow) if asked == "e" else ""
            headers["content-security-policy"] = _CSP.format(
                scripts=self._scripts[name], ancestors=allowed or "'none'"
            )
            headers["cache-control"] = "no-cache"
            headers["cross-origin-opener-policy"] = "same-origin"
            # A site that isolates itself shows no frame that does not (HTML, COEP).
            headers["cross-origin-embedder-policy"] = "require-corp"
            shared = "cross-origin" if allowed else "same-origin"
            headers["cross-origin-resource-policy"] = shared
        elif name.startswith("assets/"):
            headers["cache-control"] = "public, max-age=31536000, immutable"
            headers["cross-origin-resource-policy"] = "same-origin"
        else:
            headers["cache-control"] = "no-cache"
            headers["cross-origin-resource-policy"] = "cross-origin"
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers["etag"] = tag
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            content = self._packed[name]
            headers["content-encoding"] = "gzip"
        headers["vary"] = "accept-encoding"
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(content, media_type=kind, headers=headers)

    async def describe(self, _request: Request) -> Response:
        """``/.well-known/onmeet.json``."""
        await trio.lowlevel.checkpoint()
        headers = {**COMMON, "cache-control": "no-cache"}
        return Response(self._facts, media_type="application/json", headers=headers)
