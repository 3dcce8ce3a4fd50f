"""A page lists this person's devices, links one whose words it is shown, and revokes it."""

from __future__ import annotations

import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.config import Config
from onmeet_node.control.requests.devices import (
    AddDevice,
    ConfirmDevice,
    ListDevices,
    RevokeDevice,
)
from onmeet_node.events import LinkOffered, LinkWordsShown
from onmeet_node.node.linking import link_home
from onmeet_node.store import KeyFile, open_home
from onmeet_node.web.messages import answers, own
from onmeet_node.web.messages import snapshots as snap
from tests.web.test_app import app, first_run, window

pytestmark = pytest.mark.real


async def test_a_page_links_a_device_and_takes_it_off_again(tmp_path):
    shown, code = [], trio.Event()
    async with open_bootstrap(ephemeral_config()) as bootstrap:
        way = bootstrap.addresses[0]
        new = Config(home=tmp_path / "new", bootstraps=bootstrap.addresses, lan=False)

        async def tell(event):
            shown.append(event)
            if isinstance(event, LinkOffered):
                code.set()

        async with (
            app(tmp_path / "home", "--bootstrap", way) as it,
            window(it) as page,
            trio.open_nursery() as nursery,
        ):
            await first_run(page)
            (only,) = (await page.ask(ListDevices, answers.DevicesShown)).devices
            assert (only.here, only.holds_identity) == (True, True)
            refused = await page.ask(ConfirmDevice, answers.Refused, yes=True)
            assert refused.kind == "LinkFailed"
            nursery.start_soon(link_home, new, KeyFile(), "phone", tell)
            with trio.fail_after(30):
                await code.wait()

            await it.event("reachable")
            await page.say(AddDevice(id=100, code=shown[0].code))
            words = await page.sees(answers.LinkWords)
            assert (words.asked, words.name) == (100, "phone")
            shown.append(words)
            await page.ask(ConfirmDevice, answers.Done, yes=True)
            with trio.fail_after(60):
                devices = ()
                while len(devices) < 2:
                    devices = (await page.ask(ListDevices, answers.DevicesShown)).devices
            assert [one.name for one in devices][1:] == ["phone"]
            await page.ask(RevokeDevice, answers.Done, device=devices[1].key)
            assert len((await page.ask(ListDevices, answers.DevicesShown)).devices) == 1
    words, told = (
        next(one.words for one in shown if isinstance(one, kind))
        for kind in (answers.LinkWords, LinkWordsShown)
    )
    assert words == told
    with open_home(tmp_path / "new", KeyFile()) as store:
        assert store.identity.seed is None


async def test_a_first_run_makes_this_a_device_of_somebody_who_has_on_meet(tmp_path):
    async with open_bootstrap(ephemeral_config()) as bootstrap:
        way = bootstrap.addresses[0]
        async with (
            app(tmp_path / "old", "--bootstrap", way) as old,
            app(tmp_path / "new") as new,
            window(old) as mine,
            window(new) as page,
        ):
            await first_run(mine, "Ann")
            await old.event("reachable")
            key_file = {"keeper": own.Keeper.KEY_FILE}
            refused = await page.ask(own.LinkHome, answers.Refused, **key_file)
            assert refused.kind == "LinkFailed"
            assert "No bootstrap can be reached" in refused.sentence
            await page.say(own.LinkHome(id=200, bootstrap=way, **key_file))
            shown = await page.sees(answers.LinkCodeShown)
            assert len(shown.rows) == len(shown.rows[0])
            await mine.say(AddDevice(id=100, code=f"onmeet-link:{shown.code}"))
            here, there = await mine.sees(answers.LinkWords), await page.sees(answers.LinkWords)
            assert (here.asked, there.asked) == (100, 200)
            assert here.words == there.words
            await mine.ask(ConfirmDevice, answers.Done, yes=True)
            await page.sees(snap.Home, lambda home: home.phase is snap.Phase.RUNNING)
            # what the other device keeps is here as soon as the two have met
            me = await page.sees(snap.Me, lambda me: me.fields[0].value == "Ann")
            assert me.identity == (await mine.sees(snap.Me)).identity
