"""Commands about people: contact codes, contacts, the person's own profile."""

from __future__ import annotations

import trio

from onmeet_node.contacts.spoken import Meant
from onmeet_node.contacts.views import CodeView, ContactView, ProfileView
from onmeet_node.control import names
from onmeet_node.control.door import Door, WrongDoor
from onmeet_node.control.qr import qr_rows
from onmeet_node.control.requests import people as ask
from onmeet_node.control.views import (
    CodeOwner,
    CodeRevoked,
    ContactAdded,
    ContactNumber,
    PersonReached,
    PictureData,
    QrCode,
)
from onmeet_node.events import CodeSaid
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.profile import Field
from onmeet_node.protocol.spoken.code import is_spoken
from onmeet_node.store import ContactState

LOOK_SECONDS = 10.0
"""For a person to be found; whoever is reachable at all is within two."""
PUBLISH_SECONDS = 3.0
"""What we publish is taken for found after that, even if its record is not out yet."""


async def published(node: Node) -> None:
    """Waits a moment until a new code works: until its record can be found."""
    with trio.move_on_after(PUBLISH_SECONDS):
        await node.published()


# ── codes ────────────────────────────────────────────────────────────────────────────────────────
async def new_code(door: Door, request: ask.NewCode) -> CodeView:
    """See `NewCode`."""
    codes = door.node.people.codes
    code = codes.new(request.label, days=request.days or None, direct=request.direct)
    if request.settle:
        await published(door.node)
    return code


async def say_code(door: Door, request: ask.SayCode) -> ContactAdded:
    """See `SayCode`. Raises `SpokenFailed`, `CodeError`."""
    if door.tell is None:
        raise WrongDoor("A spoken code cannot be told through this door.")
    async with door.node.spoken.say() as said:
        await door.tell(CodeSaid(code=said.text, seconds=said.seconds))
        contact = await said.outcome(Meant(label=request.label, name=request.name))
    return await _added(door.node, contact.identity)


async def list_codes(door: Door, _: ask.ListCodes) -> tuple[CodeView, ...]:
    """See `ListCodes`."""
    return door.node.people.codes.live()


async def revoke_code(door: Door, request: ask.RevokeCode) -> CodeRevoked:
    """See `RevokeCode`."""
    return CodeRevoked(dropped=door.node.people.revoke(request.label, drop=request.drop))


async def read_code(door: Door, request: ask.ReadCode) -> CodeOwner:
    """See `ReadCode`. Raises `CodeError`, `OwnCode`."""
    code = door.node.people.foreign(request.code)
    identity = Identity(code.identity)
    return CodeOwner(
        identity=identity,
        name=code.name,
        expires=code.expires,
        known=door.node.people.get(identity) is not None,
    )


async def draw_qr(_: Door, request: ask.DrawQr) -> QrCode:
    """See `DrawQr`."""
    return QrCode(rows=qr_rows(request.text))


# ── contacts ─────────────────────────────────────────────────────────────────────────────────────
async def add_contact(door: Door, request: ask.AddContact) -> ContactAdded:
    """See `AddContact`. Raises `CodeError`, `OwnCode`, `SpokenFailed`."""
    node = door.node
    if is_spoken(request.code):
        meant = Meant(name=request.name, note=request.note)
        contact = await node.spoken.add(request.code, meant)
    else:
        contact = node.people.add(request.code, name=request.name, note=request.note)
    return await _added(node, contact.identity)


async def _added(node: Node, peer: Identity) -> ContactAdded:
    delivered = await _reach(node, peer)
    return ContactAdded.of(node.people.describe(peer), delivered=delivered)


async def list_contacts(door: Door, _: ask.ListContacts) -> list[ContactView]:
    """See `ListContacts`."""
    described = []
    for contact in door.node.people.identities():
        described.append(door.node.people.describe(contact))
        if len(described) % 64 == 0:
            await trio.lowlevel.checkpoint()  # there may be 10,000, and calls are on
    return sorted(described, key=lambda one: (not one.favourite, one.added, one.identity))


async def change_person(door: Door, request: ask.ChangePerson) -> ContactView:
    """See `ChangePerson`. Answers the person: as they were, if they are gone by it."""
    people, do = door.node.people, ask.PersonAction
    match request.action:
        case do.ACCEPT | do.IGNORE:
            peer = names.anybody(door.node, request.who, ContactState.REQUESTED_BY_THEM)
        case do.BLOCK | do.UNBLOCK:
            peer = names.anybody(door.node, request.who)
        case _:
            peer = names.person(door.node, request.who)
    before = people.describe(peer)
    match request.action:
        case do.ACCEPT:
            people.accept(peer)
        case do.IGNORE:
            people.ignore(peer)
        case do.BLOCK:
            people.block(peer)
            return before
        case do.UNBLOCK:
            people.unblock(peer)
        case do.REMOVE:
            people.remove(peer)
            return before
        case do.MARK_VERIFIED:
            people.mark_verified(peer)
        case do.FAVOURITE | do.NO_FAVOURITE:
            people.set_favourite(peer, favourite=request.action is do.FAVOURITE)
    return people.describe(peer)


async def rename_person(door: Door, request: ask.RenamePerson) -> ContactView:
    """See `RenamePerson`."""
    peer = names.person(door.node, request.who)
    door.node.people.rename(peer, request.name)
    return door.node.people.describe(peer)


async def look_for(door: Door, request: ask.LookFor) -> PersonReached:
    """See `LookFor`."""
    peer = names.anybody(door.node, request.who)
    return PersonReached(reachable=await _reach(door.node, peer))


async def _reach(node: Node, peer: Identity) -> bool:
    with trio.move_on_after(LOOK_SECONDS):
        return await node.deliver(peer)
    return False


async def verify(door: Door, request: ask.Verify) -> ContactNumber:
    """See `Verify`."""
    people = door.node.people
    peer = names.anybody(door.node, request.who)
    if request.matches:
        people.mark_verified(peer)
    return ContactNumber.of(people.describe(peer), people.safety_number(peer))


async def show_to(door: Door, request: ask.ShowTo) -> None:
    """See `ShowTo`."""
    peer = names.anybody(door.node, request.who)
    door.node.people.show_to(peer, request.name, shown=request.shown)


# ── the own profile ──────────────────────────────────────────────────────────────────────────────
async def change_profile(door: Door, request: ask.ChangeProfile) -> ProfileView:
    """See `ChangeProfile`."""
    shares = {f.name.value: f.share.value for f in request.fields if f.share is not None}
    if request.picture_share is not None:
        shares[Field.PICTURE.value] = request.picture_share.value
    return door.node.people.change_profile(
        {f.name.value: f.value for f in request.fields if f.value is not None},
        shares,
        reach=request.reach,
        busy=request.busy,
    )


async def set_picture(door: Door, request: ask.SetPicture) -> None:
    """See `SetPicture`. Raises `BadPicture`."""
    door.node.people.set_picture(request.data)


async def get_picture(door: Door, request: ask.GetPicture) -> PictureData:
    """See `GetPicture`."""
    return PictureData(data=door.node.people.picture(bytes.fromhex(request.picture)))


COMMANDS = (
    new_code,
    say_code,
    list_codes,
    revoke_code,
    read_code,
    draw_qr,
    add_contact,
    list_contacts,
    change_person,
    rename_person,
    look_for,
    verify,
    show_to,
    change_profile,
    set_picture,
    get_picture,
)
