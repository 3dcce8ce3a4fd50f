"""Standing meetings of this home: names, the secret in each one's room code, their guest links."""

from __future__ import annotations

import secrets

from onmeet_node.protocol.wire.room import TOKEN_BYTES
from onmeet_node.store import Store
from onmeet_node.store.settings import Setting

MOST = 64
CODES: Setting[tuple[tuple[str, str], ...]] = Setting(
    "standing-rooms", tuple[tuple[str, str], ...], (), most=MOST
)
"""Names, each with the secret of its room code in hex."""
LINKS: Setting[tuple[tuple[str, str], ...]] = Setting(
    "standing-links", tuple[tuple[str, str], ...], (), most=MOST
)
"""Names, each with the id of its guest link."""

PLANS: Setting[tuple[tuple[str, str], ...]] = Setting(
    "standing-plans", tuple[tuple[str, str], ...], (), most=MOST
)
"""Names, each with the number of its last calendar file, a colon, and the file's digest."""


class Standing:
    """What a home keeps of rooms; everything else of a room ends with it."""

    def __init__(self, store: Store) -> None:
        self._settings = store.settings

    @property
    def titles(self) -> tuple[str, ...]:
        """The oldest first."""
        return tuple(self._read(CODES))

    def secret(self, title: str) -> bytes:
        """What the room code of this meeting is known by; the meeting is made if there is none."""
        codes = self._read(CODES)
        if title not in codes:
            codes[title] = secrets.token_bytes(TOKEN_BYTES).hex()
            self._write(CODES, codes)
        return bytes.fromhex(codes[title])

    def title(self, secret: bytes) -> str | None:
        """Of which meeting this is the secret."""
        named = {code: title for title, code in self._read(CODES).items()}
        return named.get(secret.hex())

    def link(self, title: str) -> str | None:
        """Id of the guest link of this meeting; it may have been closed by hand."""
        return self._read(LINKS).get(title)

    @property
    def links(self) -> set[str]:
        """Ids of all their guest links."""
        return set(self._read(LINKS).values())

    def keep_link(self, title: str, link: str) -> None:
        """The meeting has this guest link from now on."""
        self._write(LINKS, {**self._read(LINKS), title: link})

    def revision(self, title: str, digest: str) -> int:
        """Number of a calendar file with this digest: 0 first, one more with each change."""
        number, _, last = self._read(PLANS).get(title, "-1:").partition(":")
        if last == digest:
            return int(number)
        self._write(PLANS, {**self._read(PLANS), title: f"{int(number) + 1}:{digest}"})
        return int(number) + 1

    def forget(self, title: str) -> None:
        """Forgets a meeting; nothing if there is none."""
        for setting in (CODES, LINKS, PLANS):
            kept = self._read(setting)
            kept.pop(title, None)
            self._write(setting, kept)

    def _read(self, setting: Setting[tuple[tuple[str, str], ...]]) -> dict[str, str]:
        pairs: tuple[tuple[str, str], ...] = self._settings.get(setting)
        return dict(pairs)

    def _write(self, setting: Setting[tuple[tuple[str, str], ...]], pairs: dict[str, str]) -> None:
        self._settings.put(setting, tuple(pairs.items()))
