"""The app's server under attack, over real sockets."""

import json

import pytest
import trio

from onmeet_node.control.requests.node import Examine
from onmeet_node.web.access import MAX_CODES, WRONG_PER_MINUTE, Access
from onmeet_node.web.messages import MAX_PAGE_BYTES, VERSION, answers, from_node, from_page
from onmeet_node.web.messages import snapshots as snap
from onmeet_node.web.messages.own import Hello
from onmeet_node.web.pages import Pages
from onmeet_node.web.server import CannotListen, built_files, listen, open_server
from tests.web.client import Closed, Rejected, fetch, token_for, websocket

pytestmark = pytest.mark.real

FILES = {"index.html": b"<!doctype html>page", "assets/app-1.js": b"1"}


class Service:
    def __init__(self):
        self.pages = Pages()
        self.handled = []

    def welcome(self, page, hello):
        page.send(snap.Welcome(page=page.number, release="1", keyring=False))

    async def handle(self, page, message):
        self.handled.append(message)
        if isinstance(message, Examine):
            page.send(answers.Done(id=message.id))

    async def export(self, passphrase):
        return b"sealed"

    async def restore(self, data, options):
        self.handled.append((data, options))


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def access():
    return Access(trio.current_time)


@pytest.fixture
async def port(service, access):
    async with open_server(service, access, listen(0), files=FILES) as port:
        yield port


def own(port, **more):
    return [("origin", f"http://127.0.0.1:{port}"), *more.items()]


# ── files ────────────────────────────────────────────────────────────────────────────────────────
async def test_the_page_comes_with_every_security_header_and_no_cookie(port):
    answer = await fetch(port)
    assert (answer.status, answer.body) == (200, FILES["index.html"])
    names = {name for name, _ in answer.headers}
    assert {
        "content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy",
        "x-frame-options", "x-content-type-options", "referrer-policy", "permissions-policy",
    } <= names  # fmt: skip
    assert answer.header("cache-control") == "no-store"
    assert "require-trusted-types-for 'script'" in answer.header("content-security-policy")
    assert not names & {"set-cookie", "access-control-allow-origin", "server"}


@pytest.mark.parametrize("host", ["localhost", "[::1]", "127.0.0.1"])
async def test_each_name_of_the_loopback_is_served(port, host):
    assert (await fetch(port, host=f"{host}:{port}")).status == 200


async def test_it_listens_on_ipv6_as_well(port):
    assert (await fetch(port, host=f"[::1]:{port}", address="::1")).status == 200


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/assets/../../server.py", "/%2e%2e/server.py", "//etc/passwd", "/none"],
)
async def test_nothing_but_the_built_files_can_be_read(port, path):
    answer = await fetch(port, path)
    assert answer.status == 404
    assert not answer.body


# ── who may ask ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.evil.example:{port}",
     "localhost.evil.example:{port}", "127.0.0.1:{port}.evil.example", "0.0.0.0:{port}"],
)  # fmt: skip
async def test_a_foreign_host_is_misdirected_also_after_dns_rebinding(port, host):
    host = host.format(port=port)
    assert (await fetch(port, host=host)).status == 421
    with pytest.raises(Rejected) as refused:
        async with websocket(port, host=host):
            pass
    assert refused.value.status == 421


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1",
     "http://127.0.0.1:{port}.evil.example"],
)  # fmt: skip
async def test_a_foreign_origin_is_refused_everywhere(port, origin):
    origin = origin.format(port=port)
    for method in ("GET", "POST"):
        answer = await fetch(port, "/session", method=method, headers=[("origin", origin)])
        assert answer.status == 403
        assert answer.header("access-control-allow-origin") is None
    with pytest.raises(Rejected) as refused:
        async with websocket(port, origin=origin):
            pass
    assert refused.value.status == 403


async def test_without_an_origin_nothing_is_changed_and_nobody_talks(port):
    assert (await fetch(port, "/session", method="POST")).status == 403
    with pytest.raises(Rejected) as refused:
        async with websocket(port, origin=None):
            pass
    assert refused.value.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd"])
async def test_what_another_site_fetched_is_refused(port, site):
    assert (await fetch(port, headers=[("sec-fetch-site", site)])).status == 403


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT"])
async def test_methods_that_nothing_has_are_refused(port, method):
    answer = await fetch(port, "/session", method=method, headers=own(port))
    assert answer.status == 405
    assert answer.header("access-control-allow-origin") is None


# ── codes and tokens ─────────────────────────────────────────────────────────────────────────────
async def test_a_code_works_once(port, access):
    code = access.new_code()
    token = await token_for(port, code)
    assert access.knows(token)
    again = await fetch(
        port, "/session", method="POST", headers=own(port), body=json.dumps({"code": code}).encode()
    )
    assert again.status == 401


def test_a_code_is_dead_after_a_minute():
    now = [0.0]
    access = Access(lambda: now[0])
    code = access.new_code()
    now[0] = 61.0
    assert access.exchange(code) is None


def test_only_the_newest_codes_live():
    access = Access(lambda: 0.0)
    codes = [access.new_code() for _ in range(MAX_CODES + 1)]
    assert access.exchange(codes[0]) is None
    assert access.exchange(codes[-1])


async def test_guessing_codes_is_slowed_down(port):
    wrong = json.dumps({"code": "x" * 43}).encode()
    statuses = [
        (await fetch(port, "/session", method="POST", headers=own(port), body=wrong)).status
        for _ in range(WRONG_PER_MINUTE + 1)
    ]
    assert statuses == [401] * WRONG_PER_MINUTE + [429]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"code": 5}', b"[" * 400, b"x" * 5_000])
async def test_a_malformed_exchange_is_refused(port, body):
    answer = await fetch(port, "/session", method="POST", headers=own(port), body=body)
    assert answer.status in {400, 401}


@pytest.mark.parametrize("path", ["/export", "/import"])
@pytest.mark.parametrize("token", [None, "Bearer " + "0" * 64, "Basic x"])
async def test_export_and_import_need_a_token(port, path, token):
    headers = own(port) + ([("authorization", token)] if token else [])
    assert (await fetch(port, path, method="POST", headers=headers, body=b"{}")).status == 401


async def test_an_export_is_given_to_the_page(port, access):
    token = await token_for(port, access.new_code())
    answer = await fetch(
        port,
        "/export",
        method="POST",
        headers=[*own(port), ("authorization", f"Bearer {token}")],
        body=b'{"passphrase": "pass"}',
    )
    assert (answer.status, answer.body) == (200, b"sealed")


async def test_an_import_carries_its_options_before_the_file(port, access, service):
    token = await token_for(port, access.new_code())
    answer = await fetch(
        port,
        "/import",
        method="POST",
        headers=[*own(port), ("authorization", f"Bearer {token}")],
        body=b'{"keeper": "key-file"}\nsealed\nbytes',
    )
    assert answer.status == 200
    assert service.handled == [(b"sealed\nbytes", {"keeper": "key-file"})]


# ── the WebSocket ────────────────────────────────────────────────────────────────────────────────
async def test_a_page_with_a_token_is_welcomed_and_answered(port, access):
    token = await token_for(port, access.new_code())
    async with websocket(port) as socket:
        await socket.say(Hello(version=VERSION, token=token))
        assert isinstance(await socket.hear(), snap.Welcome)
        await socket.say(Examine(id=7))
        assert await socket.hear() == answers.Done(id=7)


async def closed_after(port, *sent):
    async with websocket(port) as socket:
        for data in sent:
            await socket.send_bytes(data)
        with pytest.raises(Closed) as closed, trio.fail_after(90):
            while True:
                await socket.hear()
    return closed.value.code


async def test_a_stale_or_stolen_token_opens_nothing(port):
    hello = from_page.encode(Hello(version=VERSION, token="0" * 64))
    assert await closed_after(port, hello) == 4401


async def test_before_hello_nothing_is_heard(port, service):
    assert await closed_after(port, from_page.encode(Examine(id=1))) == 4400
    assert await closed_after(port, b"\xc1") == 4400
    assert service.handled == []


async def test_who_says_nothing_is_cut_off(port):
    assert await closed_after(port) == 4408


async def test_a_page_of_another_version_is_told_to_reload(port, access):
    token = await token_for(port, access.new_code())
    async with websocket(port) as socket:
        await socket.say(Hello(version=VERSION + 1, token=token))
        assert await socket.hear() == snap.Outdated(version=VERSION)


@pytest.mark.parametrize("bad", [b"\xc1", b"", b"\x80", from_node.encode(answers.Done(id=1))])
async def test_a_malformed_message_ends_the_page_and_not_the_server(port, access, bad):
    token = await token_for(port, access.new_code())
    hello = from_page.encode(Hello(version=VERSION, token=token))
    assert await closed_after(port, hello, bad) == 4400
    assert (await fetch(port)).status == 200


async def test_an_oversized_message_ends_the_page(port, access):
    token = await token_for(port, access.new_code())
    hello = from_page.encode(Hello(version=VERSION, token=token))
    assert await closed_after(port, hello, b"x" * (MAX_PAGE_BYTES + 1)) == 1009


async def test_pages_are_told_when_the_server_goes(service, access):
    async with open_server(service, access, listen(0), files=FILES) as port:
        token = await token_for(port, access.new_code())
        stream = websocket(port)
        socket = await stream.__aenter__()
        await socket.say(Hello(version=VERSION, token=token))
        assert isinstance(await socket.hear(), snap.Welcome)
    with pytest.raises(Closed) as closed:
        await socket.hear()
    assert closed.value.code == 1001
    await stream.__aexit__(None, None, None)


async def test_a_taken_port_says_what_to_do(port):
    with pytest.raises(CannotListen, match="--app-port"):
        listen(port)


def test_without_a_build_the_page_says_how_to_make_it(tmp_path):
    assert b"make ui" in built_files(tmp_path)["index.html"]
