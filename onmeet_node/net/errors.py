"""What can go wrong between nodes, said so that a person can act on it."""

from collections.abc import Sequence

from onmeet_node.errors import OnMeetError


class NetError(OnMeetError):
    """Something between this node and another one did not work."""


class ListenFailed(NetError):
    """None or not all of the addresses to listen on could be used."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"Cannot listen on {address}: {reason}. "
            "Choose another port or address, or stop the program that uses it."
        )
        self.address = address


class BadMultiaddr(NetError, kind="BadAddress"):
    """An address that is no multiaddr, or names no peer."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"{address!r} is no usable address: {reason}. "
            "It should look like /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…"
        )


class PeerUnreachable(NetError):
    """No address of a peer answered as that peer."""

    def __init__(self, peer: str, reasons: Sequence[str] = ()) -> None:
        tried = "; ".join(reasons) or "no address is known"
        super().__init__(
            f"Could not reach {peer} ({tried}). "
            "It may be offline, or behind a NAT: try again through a relay."
        )
        self.peer = peer
        self.reasons = tuple(reasons)


class DialForbidden(NetError):
    """An address that this node does not dial: see `net.exposure`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"An address was not dialled: {reason}.")
        self.reason = reason


class StreamRefused(NetError):
    """The peer is connected but opened no stream for this protocol."""

    def __init__(self, peer: str, protocol: str, reason: str, *, unknown: bool = False) -> None:
        super().__init__(
            f"{peer} did not open {protocol} ({reason}). "
            "It may run another version or be too busy: try again, or update."
        )
        self.peer = peer
        self.protocol = protocol
        self.unknown = unknown
        """The peer said that it does not have this protocol: else it is busy, slow, or gone."""


class BadDhtKey(NetError, kind="BadKey"):
    """A DHT key that peers would refuse or silently fail to look up."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"{key!r} cannot be a DHT key: {reason}. Use onmeet_node.protocol.wire.record.dht_key."
        )


class PutFailed(NetError):
    """No other peer holds the record, so nobody could find it."""

    def __init__(self, key: str, asked: int) -> None:
        super().__init__(
            f"None of the {asked} peers asked stored {key}. "
            "Check the connection to a bootstrap, and this machine's clock."
        )
        self.key = key
        self.asked = asked


class JoinFailed(NetError):
    """No bootstrap answered, so the DHT stays empty."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(
            f"No bootstrap answered ({'; '.join(reasons) or 'none is configured'}). "
            "Check the network, or add another bootstrap."
        )
        self.reasons = tuple(reasons)


class HostClosed(NetError):
    """The host is shutting down; nothing new can start."""

    def __init__(self) -> None:
        super().__init__("This node is shutting down. Start it again to go on.")


class HostFailed(NetError):
    """The library ended the host by itself: a bug, here or there."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The network layer stopped by itself ({reason}). "
            "Start the node again, and report this message."
        )


class LibraryMoved(NetError):
    """A private part of libp2p that a remedy needs is no longer where it was."""

    def __init__(self, attribute: str, remedy: str) -> None:
        super().__init__(
            f"libp2p has no {attribute} any more, which we need to {remedy}. "
            "Install libp2p==0.8.1, or adapt onmeet_node/net/libp2p/patches.py to the new release."
        )
        self.attribute = attribute


class ChannelRefused(NetError):
    """A device is connected but opened no sealed channel; it does not say why.

    It may run for somebody else by now, be too busy, or take no calls from us. To the person all
    of these are “not reachable”, as an honest node shows them (P6).
    """

    def __init__(self, device: str) -> None:
        super().__init__(
            f"{device} is not reachable: it opened no sealed channel. Look the contact up again, "
            "or ask them for a new code."
        )
        self.device = device


class ChannelEnded(NetError):
    """The sealed channel is over, or was never there; the message was not sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The sealed channel is closed ({reason}). Open it again.")
        self.reason = reason


class NotLent(NetError):
    """A linked device was lent no key for a record."""

    def __init__(self) -> None:
        super().__init__(
            "This linked device was lent no key for a record. Let it meet the device that holds "
            "your identity key: onmeet devices"
        )


class NobodyStores(NetError):
    """We know no other peer of the DHT that could keep our record."""

    def __init__(self) -> None:
        super().__init__(
            "No other node is there to keep our record, so nobody can find us yet. "
            "Check the connection to a bootstrap, or to others on this network."
        )


class CircuitProtocolError(NetError):
    """A relay, or a peer behind one, does not keep to circuit relay v2."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The relay broke the protocol: {reason}. Use another bootstrap.")


class RelayUnavailable(NetError):
    """A relay could not be reached, or did not answer in time."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The relay did not answer ({reason}). Another bootstrap may.")


class RelayInterrupted(RelayUnavailable):
    """The way to a relay broke while it was being asked: asking again soon may help."""


class ReservationRefused(NetError):
    """A relay keeps no reservation for us."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"The relay keeps no place for this node (status {status}): it is full, or allows "
            "this network no more. Use another bootstrap, or try later."
        )
        self.status = status


class CircuitRefused(NetError):
    """A relay did not connect us to a peer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"The relay did not connect us (status {status}): {reason}.")
        self.status = status


class BootstrapRefused(NetError):
    """A bootstrap answered, and is not to be used: its description is false or not ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This bootstrap cannot be used: {reason}.")
        self.reason = reason


class NoBootstrap(BootstrapRefused):
    """Nobody's bootstrap is there; an ordinary node perhaps."""


class TokenRefused(NetError):
    """A bootstrap lends TURN for tokens, and had none from us, or one that it did not take."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This bootstrap lends TURN for tokens ({reason.replace('-', ' ')}). "
            "See what you have: onmeet account status"
        )
        self.reason = reason
        """As on the wire: ``token-needed``, ``token-spent``, ``token-ended``, ``token-invalid``."""


class LanUnavailable(NetError):
    """Others on the local network cannot be discovered here."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This machine cannot use multicast, so others on its network are not found by "
            f"themselves ({reason}). Calls through a bootstrap work all the same."
        )


class LanUnannounced(LanUnavailable):
    """There is a network, and no address on it that others there could dial."""

    def __init__(self) -> None:
        NetError.__init__(
            self,
            "This machine has no address on its network that others there could dial (an IPv6 "
            "link-local address means nothing without its interface, and a public one is not "
            "announced there), so they do not find it by themselves. Let a router give it an "
            "address (DHCP, or an fd… prefix), or set one, or name a bootstrap.",
        )


class PortMapFailed(NetError):
    """The router opens no port for us."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The router opens no port for this node ({reason}). Switch on UPnP or NAT-PMP in it, "
            "or forward a port; calls work without as well."
        )
        self.reason = reason


class MailboxRefused(NetError):
    """A bootstrap opened no mailbox, or let us into none; `reason` is its word for why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"A mailbox was refused ({reason}). Try again in a minute.")
        self.reason = reason
