"""Two people's pages behind NATs, each machine a network namespace: what Chromium does there."""

import os
import re
import stat
from contextlib import ExitStack, contextmanager

import pytest

from tests.browser import steps
from tests.browser.conftest import CHROMIUM, FLAGS, node, window
from tests.netlab.capture import captured
from tests.netlab.conftest import need
from tests.netlab.lab import Nat, missing, open_lab
from tests.netlab.machines import bootstrap

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]
RELAYED = "^Through a relay"


@contextmanager
def browser_on(chromium, host, directory):
    """A Chromium that lives on this machine of the lab."""
    start = directory / f"chromium-{host.name}"
    start.write_text(f'#!/bin/sh\nexec {" ".join(host.prefix)} {CHROMIUM} "$@"\n')
    start.chmod(stat.S_IRWXU)
    browser = chromium.browser_type.launch(executable_path=os.fspath(start), args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def two_pages(chromium, lab, hosts, tmp_path, *, hiding=False):
    """The machines' pages, of people who know each other, and the bootstrap's machine."""
    server = lab.host("server")
    with ExitStack() as stack:
        addresses, _ = stack.enter_context(bootstrap(server, tmp_path / "server", turn=True))
        hidden = {"ONMEET_RELAY_ONLY": "true"} if hiding else {}
        ways = [f"--bootstrap={address}" for address in addresses]
        pages = []
        for host in hosts:
            home = tmp_path / f"home-{host.name}"
            listen = f"--listen=/ip4/{host.address}/tcp/0"
            it = stack.enter_context(node(home, *ways, listen, prefix=host.prefix, **hidden))
            browser = stack.enter_context(browser_on(chromium, host, tmp_path))
            pages.append(stack.enter_context(window(browser, it.url)).page)
        ann, bob = pages
        code = steps.first_run(ann, "Ann")
        steps.first_run(bob, "Bob")
        for page in pages:
            page.get_by_text("You can be called.").wait_for()
        steps.add(bob, code)
        steps.accept_request(ann)
        bob.get_by_role("button", name="Call Ann").wait_for()
        yield ann, bob, server


@pytest.fixture
def lab():
    need(missing())
    with open_lab() as opened:
        yield opened


def wait_relayed(page):
    page.get_by_role("button", name="Details").click()
    page.locator(".panel").get_by_text(re.compile(RELAYED)).wait_for()


def test_who_hides_sends_nothing_to_the_callee_but_through_the_relay(chromium, lab, tmp_path):
    hosts = [lab.host(name, behind=lab.router(f"r{name}", Nat.CONE)) for name in ("ann", "bob")]
    with two_pages(chromium, lab, hosts, tmp_path, hiding=True) as (ann, bob, server):
        bob.get_by_role("button", name="Call Ann").click()
        assert bob.get_by_label("Do not show them my network address").is_checked()
        with captured(hosts[1]) as capture:
            bob.get_by_role("button", name="Call", exact=True).click()
            ann.get_by_role("button", name="Answer with video").click()
            for page in (ann, bob):
                steps.wait_moving(page)
        wait_relayed(bob)
        assert server.address in capture.partners()
        for address in (hosts[0].address, hosts[0].outside):
            assert address not in capture.partners()
            assert capture.mentions(address) == 0
        assert capture.mentions(server.address) > 0
        bob.get_by_role("button", name="Hang up").click()


def test_a_browser_whose_network_blocks_udp_calls_over_turn(chromium, lab, tmp_path):
    hosts = [lab.host("ann"), lab.host("bob", behind=lab.router("rbob", Nat.SYMMETRIC))]
    hosts[1].block_udp()
    with two_pages(chromium, lab, hosts, tmp_path) as (ann, bob, _):
        steps.start_call(bob, "Ann")
        ann.get_by_role("button", name="Answer with video").click()
        for page in (ann, bob):
            steps.wait_moving(page)
            wait_relayed(page)
        bob.get_by_role("button", name="Hang up").click()
