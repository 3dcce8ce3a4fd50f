"""The first screen's “I have On-Meet already”: this machine becomes a device of its person."""

from __future__ import annotations

import attrs
import trio

from onmeet_node.config import Config
from onmeet_node.contacts.linking import LINK_PREFIX
from onmeet_node.contacts.own_devices import machine_name
from onmeet_node.control.qr import qr_rows
from onmeet_node.events import LinkOffered, LinkWordsShown, NodeEvent
from onmeet_node.node.linking import link_home
from onmeet_node.store import Unlock
from onmeet_node.web.messages.answers import LinkCodeShown, LinkWords
from onmeet_node.web.messages.own import LinkHome
from onmeet_node.web.pages import Page


async def link_by_page(page: Page, config: Config, unlock: Unlock, request: LinkHome) -> Unlock:
    """Makes the home, showing the page code and words; what opens it. Raises as `link_home`."""

    async def tell(event: NodeEvent) -> None:
        match event:
            case LinkOffered(code=code, seconds=seconds):
                rows = qr_rows(LINK_PREFIX + code)
                page.send(LinkCodeShown(asked=request.id, code=code, seconds=seconds, rows=rows))
            case LinkWordsShown(words=words, device=name):
                page.send(LinkWords(asked=request.id, words=words, name=name))
            case _:
                pass
        await trio.lowlevel.checkpoint()

    if request.bootstrap:
        config = attrs.evolve(config, bootstraps=(*config.bootstraps, request.bootstrap))
    await link_home(config, unlock, machine_name(), tell)
    return unlock
