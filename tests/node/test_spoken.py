"""Spoken codes between real nodes: both become contacts; a wrong word is seen by both."""

import secrets

import pytest
import trio

from onmeet_node.contacts.address_book import OwnCode
from onmeet_node.contacts.meeting import SpokenFailed
from onmeet_node.contacts.spoken import LABEL, Meant
from onmeet_node.control.commands import people as commands
from onmeet_node.control.door import Door
from onmeet_node.control.requests.people import AddContact, SayCode
from onmeet_node.events import CodeSaid
from onmeet_node.net.bootstraps.mailboxes import enter_mailbox, open_mailbox
from onmeet_node.net.libp2p.open_host import open_host
from onmeet_node.protocol.identity.errors import CodeError
from onmeet_node.protocol.spoken.code import parse_spoken
from onmeet_node.protocol.spoken.exchange import SendLetter, SpokenExchange, SpokenRole
from onmeet_node.protocol.spoken.words import TWO_SYLLABLES
from onmeet_node.protocol.wire.mailbox import MailboxEnd
from onmeet_node.store import ContactState
from tests.fakes.hosts import config
from tests.node.conftest import until

pytestmark = pytest.mark.real


def wrong(code: str) -> str:
    """The same number with another second word."""
    number, first, second = code.split("-")
    return "-".join((number, first, TWO_SYLLABLES[TWO_SYLLABLES.index(second) - 1]))


class Said:
    """A code that is being said in a task of its own."""

    def __init__(self):
        self.code = ""
        self.waits = trio.Event()
        self.over = trio.Event()
        self.added = None
        self.error = None

    async def say(self, node):
        async def tell(event):
            assert isinstance(event, CodeSaid)
            assert event.seconds == 600
            assert event.code not in repr(event)
            self.code = event.code
            self.waits.set()

        try:
            self.added = await commands.say_code(Door(node=node, tell=tell), SayCode(label="aunt"))
        except (SpokenFailed, OwnCode) as error:  # of the own code either side may hear first
            self.error = error
        self.over.set()


async def said_by(nursery, node):
    said = Said()
    nursery.start_soon(said.say, node)
    with trio.fail_after(20):
        await said.waits.wait()
    return said


async def outcome(said):
    with trio.fail_after(30):
        await said.over.wait()
    return said.added if said.error is None else said.error


def nothing_waits(bootstrap):
    return lambda: bootstrap.counts().mailboxes == 0


async def test_a_code_that_is_said_and_typed_makes_contacts_of_both(start, bootstrap):
    ann, bob = await start("ann"), await start("bob")
    async with trio.open_nursery() as nursery:
        said = await said_by(nursery, ann)
        assert bootstrap.counts().mailboxes == 1
        typed = f" {said.code.upper().replace('-', ' ')} "
        added = await commands.add_contact(Door(node=bob), AddContact(code=typed, name="Ann!"))
        assert added.identity == ann.identity
        theirs = await outcome(said)
        assert theirs.identity == bob.identity
    await until(
        lambda: all(
            node.people.book.get(other.identity).state is ContactState.ACCEPTED
            for node, other in ((ann, bob), (bob, ann))
        ),
        "both are contacts",
    )
    assert [code.label for code in ann.people.codes.live()] == ["aunt"]
    assert [code.label for code in bob.people.codes.live()] == [LABEL]
    await until(nothing_waits(bootstrap), "the mailbox is gone")
    # The code is used up, and says so.
    with pytest.raises(SpokenFailed, match="Nobody waits"):
        await bob.spoken.add(said.code, Meant())


async def test_a_wrong_word_is_seen_by_both_and_leaves_nothing(start, bootstrap):
    ann, mallory = await start("ann"), await start("mallory")
    async with trio.open_nursery() as nursery:
        said = await said_by(nursery, ann)
        with pytest.raises(SpokenFailed, match="not the words"):
            await mallory.spoken.add(wrong(said.code), Meant())
        error = await outcome(said)
        assert "wrong code" in str(error)
        # The right words come too late: there was one try.
        with pytest.raises(SpokenFailed, match="Nobody waits"):
            await mallory.spoken.add(said.code, Meant())
    for node in (ann, mallory):
        assert node.people.all() == ()
        assert node.people.codes.live() == ()
    await until(nothing_waits(bootstrap), "the mailbox is gone")


async def test_a_slip_costs_no_try(start, bootstrap):
    ann, bob = await start("ann"), await start("bob")
    async with trio.open_nursery() as nursery:
        said = await said_by(nursery, ann)
        with pytest.raises(CodeError, match="No spoken code has the word"):
            await bob.spoken.add(said.code + "x", Meant())
        await bob.spoken.add(said.code, Meant())
        assert (await outcome(said)).identity == bob.identity


async def test_whoever_takes_the_code_back_leaves_nothing(start, bootstrap):
    ann, bob = await start("ann"), await start("bob")
    async with trio.open_nursery() as nursery:
        said = await said_by(nursery, ann)
        nursery.cancel_scope.cancel()
    await until(nothing_waits(bootstrap), "the mailbox is gone")
    with pytest.raises(SpokenFailed, match="Nobody waits"):
        await bob.spoken.add(said.code, Meant())


async def test_a_stranger_who_comes_and_leaves_is_told_as_a_guess(start, bootstrap):
    ann = await start("ann")
    async with trio.open_nursery() as nursery, open_host(config()) as stranger:
        await stranger.connect(bootstrap.addresses)
        said = await said_by(nursery, ann)
        code = parse_spoken(said.code)
        side = await enter_mailbox(stranger, bootstrap.peer_id, code.nameplate)
        guess = SpokenExchange(
            SpokenRole.ADDER, code, bootstrap.peer_id, entropy=secrets.token_bytes(64)
        )
        await side.send(guess.start()[0].body)
        assert isinstance(await side.receive(), bytes)
        await side.leave()
        assert "may have guessed" in str(await outcome(said))


async def test_a_third_ends_it_for_both(start, bootstrap):
    ann = await start("ann")
    async with trio.open_nursery() as nursery, open_host(config()) as second:
        await second.connect(bootstrap.addresses)
        said = await said_by(nursery, ann)
        number = parse_spoken(said.code).nameplate
        side = await enter_mailbox(second, bootstrap.peer_id, number)
        bob = await start("bob")
        with pytest.raises(SpokenFailed, match="third"):
            await bob.spoken.add(said.code, Meant())
        assert "third" in str(await outcome(said))
        letter = await side.receive()
        assert isinstance(letter, bytes)  # Ann's share
        assert await side.receive() is MailboxEnd.CROWDED


async def test_somebody_between_who_guesses_is_seen_by_both_and_reads_nothing(start, bootstrap):
    """A mailbox that lies: it answers each side itself, with a word of its own."""
    ann, bob = await start("ann"), await start("bob")
    async with trio.open_nursery() as nursery, open_host(config()) as middle:
        await middle.connect(bootstrap.addresses)
        said = await said_by(nursery, ann)
        right = parse_spoken(said.code)
        # It enters Ann's mailbox before Bob, and opens one of the same number for him.
        hers = await enter_mailbox(middle, bootstrap.peer_id, right.nameplate)
        guessed = parse_spoken(wrong(said.code))
        pretend = SpokenExchange(
            SpokenRole.ADDER, guessed, bootstrap.peer_id, entropy=secrets.token_bytes(64)
        )
        await hers.send(pretend.start()[0].body)
        for effect in pretend.take(await hers.receive()):
            assert isinstance(effect, SendLetter)
            await hers.send(effect.body)
        assert "wrong code" in str(await outcome(said))
        his = await open_mailbox(middle, bootstrap.peer_id, right.nameplate)

        async def lie():
            assert await his.entered() is None
            claim = SpokenExchange(
                SpokenRole.SAYER, guessed, bootstrap.peer_id, entropy=secrets.token_bytes(64)
            )
            await his.send(claim.start()[0].body)
            assert claim.take(await his.receive()) == []
            await his.receive()  # Bob's proof: it can check its one guess, and it is wrong
            await his.send(secrets.token_bytes(10))
            await his.leave()

        nursery.start_soon(lie)
        with pytest.raises(SpokenFailed, match=r"take a new|does not speak"):
            await bob.spoken.add(said.code, Meant())
    assert ann.people.all() == bob.people.all() == ()
    assert ann.people.codes.live() == bob.people.codes.live() == ()


async def test_the_own_code_is_refused(start):
    ann = await start("ann")
    async with trio.open_nursery() as nursery:
        said = await said_by(nursery, ann)
        with pytest.raises((CodeError, Exception), match="your own"):
            await ann.spoken.add(said.code, Meant())
        nursery.cancel_scope.cancel()
