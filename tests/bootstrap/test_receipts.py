"""Receipts: what a bootstrap signs to have held and released, for each node by itself."""

import secrets

import attrs
import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.joining.line import open_line
from onmeet_node.net.bootstraps.doors import HostDoors
from onmeet_node.net.bootstraps.requests import ask
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.protocol.wire.bootstrap_api import Settle, SignedReceipt, open_receipt
from onmeet_node.protocol.wire.errors import DescriptionError
from onmeet_node.protocol.wire.frames import encode_frame
from onmeet_node.protocol.wire.link import make_link

pytestmark = pytest.mark.real

LISTEN = ("/ip4/127.0.0.1/tcp/0",)


async def settle(host, bootstrap):
    return await ask(host, bootstrap.peer_id, Settle(), SignedReceipt)


async def test_a_host_gets_in_writing_what_its_guests_were_and_the_next_receipt_begins_anew():
    async with (
        open_bootstrap(ephemeral_config(guests=True)) as bootstrap,
        open_host(HostConfig(listen=LISTEN)) as host,
        open_host(HostConfig(listen=LISTEN)) as other,
    ):
        await host.connect(bootstrap.addresses)
        await other.connect(bootstrap.addresses)
        secret = secrets.token_bytes(16)
        async with HostDoors(host).open(bootstrap.peer_id, secret) as door:
            link = make_link(
                door_secret=secret, private_key=b"k" * 32, secret=b"s" * 16, expires=None
            )
            async with open_line(link.url(door.origin), shake=False) as line:
                await line.send_frame(link.door)
                await line.send_frame(bytes(1_000))
                with trio.fail_after(10):
                    guest = await door.guests.receive()
                    await guest.receive_some()
                    await guest.send_all(encode_frame(bytes(500)))
                    await line.receive_frame()
                held = open_receipt(await settle(host, bootstrap), bootstrap.peer_id)
                assert (held.guests, held.held) == (0, 1)
            guest.abort()
        with trio.fail_after(10):
            while bootstrap.counts().doors or bootstrap.counts().guests:  # noqa: ASYNC110
                await trio.sleep(0.01)
        signed = await settle(host, bootstrap)
        receipt = open_receipt(signed, bootstrap.peer_id)
        assert (receipt.doors, receipt.guests, receipt.guest_bytes) == (1, 1, 1_500)
        assert receipt.held == 0
        assert receipt.since <= receipt.until
        again = open_receipt(await settle(host, bootstrap), bootstrap.peer_id)
        assert (again.doors, again.guests, again.guest_bytes) == (0, 0, 0)
        others = open_receipt(await settle(other, bootstrap), bootstrap.peer_id)
        assert (others.doors, others.guests) == (0, 0)

        with pytest.raises(DescriptionError, match="not signed"):
            open_receipt(attrs.evolve(signed, signature=bytes(64)), bootstrap.peer_id)
        with pytest.raises(DescriptionError, match="not signed"):
            open_receipt(signed, other.peer_id)
        with pytest.raises(DescriptionError, match="not signed"):
            open_receipt(attrs.evolve(signed, body=signed.body + b"\xc0"), bootstrap.peer_id)


async def test_what_was_counted_goes_with_the_connection():
    async with open_bootstrap(ephemeral_config(guests=True)) as bootstrap:
        async with open_host(HostConfig(listen=LISTEN)) as host:
            await host.connect(bootstrap.addresses)
            async with HostDoors(host).open(bootstrap.peer_id, b"1" * 16):
                pass
            with trio.fail_after(10):
                while not bootstrap.held()["receipts"]:  # noqa: ASYNC110 - counts have no event
                    await trio.sleep(0.01)
        with trio.fail_after(10):
            while bootstrap.held()["receipts"]:  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)
