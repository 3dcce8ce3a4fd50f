"""What of a call or a room outlives the page that carries it.

A page tells it at each change (`Keep`), the node hands it to every other page (`Kept`): whichever
goes on with the call goes on as it was. Where nothing is known, it goes on silent and dark.
"""

from __future__ import annotations

import attrs

from onmeet_node.web.messages import own
from onmeet_node.web.messages import snapshots as snap
from onmeet_node.web.pages import Page, Pages


def silent(target: str) -> snap.Kept:
    """Where nothing is known."""
    return snap.Kept(
        target=target,
        muted=True,
        camera_off=True,
        held=False,
        draft="",
        draft_to=None,
        camera=None,
        microphone=None,
        speaker=None,
    )


class KeptStates:
    """The states of all calls and rooms that a page carries or carried, by their id in hex."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._states: dict[str, snap.Kept] = {}
        self._carried: dict[str, int] = {}
        """The page that carries it, or did."""

    def all(self) -> tuple[snap.Kept, ...]:
        """For a page that has just come."""
        return tuple(self._states.values())

    def take(self, page: Page, told: own.Keep) -> None:
        """What a page tells; the other pages hear it."""
        changes = attrs.asdict(told, recurse=False, filter=lambda _, value: value is not None)
        before = self._states.get(told.target) or silent(told.target)
        if changes.get("draft_to") == "":
            changes["draft_to"] = None
        self._set(attrs.evolve(before, **changes), page)

    def opened(self, target: str, page: Page, *, taken_over: bool = False) -> None:
        """A page is about to carry it. If another one did before and told nothing, nobody knows
        what the person wanted: the state is silent and dark.

        `taken_over`: something else than this page carried it until now.
        """
        another = taken_over or self._carried.get(target, page.number) != page.number
        self._carried[target] = page.number
        if another and target not in self._states:
            self._set(silent(target), None)

    def forget(self, target: str) -> None:
        """It is over."""
        self._states.pop(target, None)
        self._carried.pop(target, None)

    def _set(self, state: snap.Kept, teller: Page | None) -> None:
        self._states[state.target] = state
        for page in self._pages:
            if page is not teller:
                page.send(state)
