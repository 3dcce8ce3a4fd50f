"""The app's pages and a real node in a process of its own: first run, lock, people, calls."""

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import trio

from onmeet_node.control.requests.people import (
    AddContact,
    ChangePerson,
    ChangeProfile,
    DrawQr,
    FieldChange,
    NewCode,
    PersonAction,
    ReadCode,
)
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.identity.profile import Field, Share
from onmeet_node.web.messages import VERSION, answers, own
from onmeet_node.web.messages import snapshots as snap
from tests import forkserver
from tests.web.client import token_for, websocket

pytestmark = pytest.mark.real


class App:
    def __init__(self, process, lines):
        self.process = process
        self.lines = lines
        self.port = 0
        self.code = ""
        self._number = 0

    async def event(self, name):
        with trio.fail_after(60):
            async for line in self.lines:
                event = json.loads(line)
                if event["event"] == name:
                    return event
        raise AssertionError(f"it ended without {name}")

    async def ended(self):
        await trio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)


async def _lines(stream):
    rest = b""
    async for part in stream:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line


@asynccontextmanager
async def app(home, *options, stdin=b""):
    command = [
        sys.executable, "-m", "onmeet_node.cli", "up", "--home", str(home), "--json",
        "--app", "--no-browser", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0", *options,
    ]  # fmt: skip
    process = forkserver.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process.stdin as written:
        written.write(stdin)
    lines = _lines(trio.lowlevel.FdStream(os.dup(process.stdout.fileno())))
    it = App(process, lines)
    try:
        event = await it.event("app")
        address, _, it.code = event["url"].partition("#c=")
        it.port = int(address.rstrip("/").rpartition(":")[2])
        yield it
    finally:
        process.terminate()
        with trio.move_on_after(20), trio.CancelScope(shield=True):
            await it.ended()
        process.kill()
        process.wait()
        process.stdout.close()
        await lines.aclose()


class Window:
    """A page: asks, and keeps the newest of each kind of message."""

    def __init__(self, socket):
        self._socket = socket
        self._number = 0
        self._newest = {}

    @property
    def heard(self):
        """The kinds of messages that came so far."""
        return set(self._newest)

    async def _hear(self):
        message = await self._socket.hear()
        self._newest[type(message)] = message
        return message

    async def ask(self, cls, answer=answers.Done, **fields):
        self._number += 1
        await self._socket.say(cls(id=self._number, **fields))
        with trio.fail_after(90):
            while getattr(told := await self._hear(), "id", None) != self._number:
                pass
        assert isinstance(told, answer), told
        return told

    async def say(self, message):
        await self._socket.say(message)

    async def sees(self, cls, wanted=lambda _: True):
        with trio.fail_after(90):
            while (newest := self._newest.get(cls)) is None or not wanted(newest):
                await self._hear()
        return newest


@asynccontextmanager
async def window(it, token=None):
    token = token or await token_for(it.port, it.code)
    async with websocket(it.port) as socket:
        await socket.say(own.Hello(version=VERSION, token=token))
        yield Window(socket)


async def first_run(page, name="Ann", **keeper):
    await page.sees(snap.Home, lambda home: home.phase is snap.Phase.NEW)
    await page.ask(own.CreateHome, name=name, **(keeper or {"keeper": own.Keeper.KEY_FILE}))
    await page.sees(snap.Home, lambda home: home.phase is snap.Phase.RUNNING)


async def test_a_first_run_makes_a_home_in_the_browser(tmp_path):
    async with app(tmp_path / "home") as it, window(it) as page:
        await first_run(page, "Ann")
        me = await page.sees(snap.Me)
        assert me.fields[0].value == "Ann"
        await page.ask(NewCode, label="web")
        people = await page.sees(snap.People, lambda people: bool(people.codes))
        code = people.codes[0]
        assert code.label == "web"
        qr = await page.ask(DrawQr, answers.Qr, text=code.uri)
        assert len(qr.rows) == len(qr.rows[0])
        refused = await page.ask(AddContact, answers.Refused, code=code.uri)
        assert refused.kind == "OwnCode"
        refused = await page.ask(ReadCode, answers.Refused, code=code.uri[:-3] + "abc")
        assert refused.sentence


async def test_a_passphrase_locks_the_home_until_a_page_has_the_right_one(tmp_path):
    home = tmp_path / "home"
    async with app(home) as it, window(it) as page:
        await first_run(page, keeper=own.Keeper.PASSPHRASE, passphrase="correct horse battery")
    async with app(home) as it, window(it) as page:
        await page.sees(snap.Home, lambda home: home.phase is snap.Phase.LOCKED)
        refused = await page.ask(NewCode, answers.Refused)
        assert refused.kind == "NotNow"
        refused = await page.ask(own.UnlockHome, answers.Refused, passphrase="wrong horse battery")
        assert refused.kind == "WrongPassphrase"
        await page.ask(own.UnlockHome, passphrase="correct horse battery")
        await page.sees(snap.Home, lambda home: home.phase is snap.Phase.RUNNING)


async def test_every_page_is_shown_the_same(tmp_path):
    async with app(tmp_path / "home") as it:
        token = await token_for(it.port, it.code)
        async with window(it, token) as one, window(it, token) as two:
            await first_run(one, "Ann")
            await one.ask(
                ChangeProfile,
                fields=(FieldChange(name=Field.NAME, value="Bea", share=Share.EVERYONE),),
            )
            me = await two.sees(snap.Me, lambda me: me.fields[0].value == "Bea")
            assert me.reach is ReachPolicy.CODES


async def test_deleting_everything_needs_the_own_name(tmp_path):
    home = tmp_path / "home"
    async with app(home) as it, window(it) as page:
        await first_run(page, "Ann")
        refused = await page.ask(own.DeleteEverything, answers.Refused, name="Bob")
        assert refused.kind == "OtherName"
        await page.ask(own.DeleteEverything, name="Ann")
        with trio.fail_after(90):
            await it.ended()
    assert not (home / "home.json").exists()


async def test_a_person_is_added_by_code_and_accepted(tmp_path):
    async with (
        app(tmp_path / "a") as first,
        window(first) as ann,
    ):
        await first_run(ann, "Ann")
        started = await first.event("started")
        address = f"{started['addresses'][0]}"
        async with app(tmp_path / "b", "--bootstrap", address) as second, window(second) as bob:
            await first_run(bob, "Bob")
            await ann.ask(NewCode)
            people = await ann.sees(snap.People, lambda people: bool(people.codes))
            added = await bob.ask(AddContact, answers.Added, code=people.codes[0].uri, note="hi")
            news = await ann.sees(snap.News)
            assert (news.what, news.name, news.note) == (
                snap.Happening.CONTACT_REQUEST, "Bob", "hi",
            )  # fmt: skip
            await ann.ask(ChangePerson, who=news.identity, action=PersonAction.ACCEPT)
            await bob.sees(
                snap.People,
                lambda p: any(
                    one.identity == added.identity and one.status is snap.ContactStatus.ACCEPTED
                    for one in p.people
                ),
            )
