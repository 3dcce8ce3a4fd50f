"""Keeps calls up whose relay was lent for a token: media is offered anew before it is ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from onmeet_node.calls.call import Call
from onmeet_node.net.bootstraps.turn import TurnServers
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.media import MediaPath

ANSWER_SECONDS = 15.0
"""For new credentials."""


async def renew_turn(turn: TurnServers, calls: Callable[[], Iterable[Call]]) -> None:
    """Whenever credentials end, has new ones borrowed for calls over a relay, until cancelled."""
    while True:
        await turn.ending.wait()
        relayed = [
            call
            for call in calls()
            if call.state is State.CONNECTED and call.path is MediaPath.RELAY
        ]
        if not relayed:
            continue
        renewed = turn.renewed
        turn.want()
        with trio.move_on_after(ANSWER_SECONDS):
            await renewed.wait()
            for call in relayed:
                if call.state is State.CONNECTED:
                    call.restart_media()
