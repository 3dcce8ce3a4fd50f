"""Agreeing on a protocol in one round trip, where the library takes two."""

from __future__ import annotations

from collections.abc import Sequence

from libp2p.abc import IMultiselectCommunicator
from libp2p.custom_types import TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.io.exceptions import IOException
from libp2p.network.swarm import Swarm
from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError
from libp2p.protocol_muxer.multiselect_client import (
    DEFAULT_NEGOTIATE_TIMEOUT,
    MULTISELECT_PROTOCOL_ID,
    MultiselectClient,
)
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.utils import encode_delim


def propose_at_once(raw: BasicHost, network: Swarm) -> None:
    """For streams, and for what a connection is secured and shared by."""
    raw.multiselect_client = PromptSelect()
    network.upgrader.security_multistream._selector.multiselect_client = PromptSelect()
    network.upgrader.muxer_multistream._selector.multiselect_client = PromptSelect()


class PromptSelect(MultiselectClient):
    """The library's multistream-select, which proposes before it was greeted.

    The first proposal goes out with the greeting (go-libp2p and rust-libp2p do the same), and
    whoever listens reads the one after the other. What it means that nothing is agreed on stays as
    it is: both answers are waited for.
    """

    async def select_one_of(
        self,
        protocols: Sequence[TProtocol],
        communicator: IMultiselectCommunicator,
        negotiate_timeout: int = DEFAULT_NEGOTIATE_TIMEOUT,
    ) -> TProtocol:
        """See the library."""
        if protocols and isinstance(communicator, MultiselectCommunicator):
            communicator = _Ahead(communicator, str(protocols[0]))
        return await super().select_one_of(protocols, communicator, negotiate_timeout)


class _Ahead(MultiselectCommunicator):
    """Writes `first` with the greeting, and not when it is its turn."""

    def __init__(self, inner: MultiselectCommunicator, first: str) -> None:
        super().__init__(inner.read_writer)
        self._first: str | None = first
        self._sent: str | None = None

    async def write(self, msg_str: str) -> None:
        """See the library."""
        if msg_str == MULTISELECT_PROTOCOL_ID and self._first is not None:
            self._sent, self._first = self._first, None
            both = encode_delim(msg_str.encode()) + encode_delim(self._sent.encode())
            try:
                await self.read_writer.write(both)
            except (IOException, ValueError) as error:  # as where the library writes
                raise MultiselectCommunicatorError("fail to write") from error
        elif msg_str == self._sent:
            self._sent = None
        else:
            await super().write(msg_str)
