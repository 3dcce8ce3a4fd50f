"""Browsers that come back without a code, and those that ask to be let in; over real sockets."""

import base64
import json
import socket

import pytest
import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onmeet_node.store import KeyFile, create_home
from onmeet_node.store.app_place import FIRST_PORT, LAST_PORT, MAX_BROWSERS, AppPlace
from onmeet_node.store.errors import ForeignHome
from onmeet_node.store.home import APP_NAME
from onmeet_node.web.access import Access
from onmeet_node.web.browsers import (
    ASK_SECONDS,
    ASKS_PER_MINUTE,
    CHALLENGE_SECONDS,
    DOMAIN,
    MAX_ASKING,
    Browsers,
)
from onmeet_node.web.server import listen, open_server
from tests.web.client import fetch
from tests.web.test_server import FILES, Service

SEED = bytes(range(32))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Browser:
    """As WebCrypto does it."""

    def __init__(self):
        self._private = ec.generate_private_key(ec.SECP256R1())
        point = self._private.public_key()
        self.key = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def proof(self, challenge, origin):
        text = DOMAIN + origin.encode() + b"\0" + challenge.encode()
        pair = decode_dss_signature(self._private.sign(text, ec.ECDSA(hashes.SHA256())))
        signature = b"".join(number.to_bytes(32, "big") for number in pair)
        return {
            "key": encoded(self.key),
            "challenge": challenge,
            "signature": encoded(signature),
        }


@pytest.fixture
def place(tmp_path):
    return AppPlace.of(tmp_path / "home")


async def say(port, path, told, *, host="127.0.0.1"):
    return await fetch(
        port,
        path,
        method="POST",
        headers=[("origin", f"http://{host}:{port}"), ("content-type", "application/json")],
        body=told if isinstance(told, bytes) else json.dumps(told).encode(),
        host=f"{host}:{port}",
    )


async def proof(port, browser, *, host="127.0.0.1", signed_for=None):
    answer = await say(port, "/challenge", {})
    challenge = json.loads(answer.body)["challenge"]
    return browser.proof(challenge, f"http://{signed_for or host}:{port}")


class Run:
    """One run of a node, as browsers see it."""

    def __init__(self, place):
        self.service = Service()
        self.access = Access(
            trio.current_time, Browsers(place, trio.current_time) if place else None
        )

    def server(self):
        return open_server(self.service, self.access, listen(0), files=FILES)


@pytest.mark.real
class TestComingBack:
    async def test_a_browser_that_came_with_a_code_comes_back_in_the_next_run(self, place):
        browser = Browser()
        first, second = Run(place), Run(place)
        async with first.server() as port:
            code = first.access.new_code()
            answer = await say(port, "/session", {"code": code, "key": encoded(browser.key)})
            assert answer.status == 200
        async with second.server() as port:
            answer = await say(port, "/session", await proof(port, browser))
            assert second.access.knows(json.loads(answer.body)["token"])
            assert not first.access.knows(json.loads(answer.body)["token"])

    async def test_one_that_never_came_does_not(self, place):
        async with Run(place).server() as port:
            assert (await say(port, "/session", await proof(port, Browser()))).status == 401

    async def test_a_wrong_code_lets_no_key_in(self, place):
        browser = Browser()
        async with Run(place).server() as port:
            told = {"code": "wrong", "key": encoded(browser.key)}
            assert (await say(port, "/session", told)).status == 401
        assert not place.knows(browser.key)

    async def test_a_challenge_is_good_once_and_for_one_address(self, place):
        browser = Browser()
        place.let_in(browser.key)
        async with Run(place).server() as port:
            told = await proof(port, browser)
            assert (await say(port, "/session", told)).status == 200
            assert (await say(port, "/session", told)).status == 401
            for there, signed in (("localhost", "127.0.0.1"), ("127.0.0.1", "localhost")):
                told = await proof(port, browser, signed_for=signed)
                assert (await say(port, "/session", told, host=there)).status == 401

    async def test_the_key_of_one_does_not_pass_with_the_signature_of_another(self, place):
        known, other = Browser(), Browser()
        place.let_in(known.key)
        async with Run(place).server() as port:
            told = await proof(port, other) | {"key": encoded(known.key)}
            assert (await say(port, "/session", told)).status == 401

    @pytest.mark.parametrize("spoilt", ["key", "challenge", "signature"])
    @pytest.mark.parametrize("value", ["", "A", "ä", "=" * 40, "A" * 87, encoded(bytes(65)), "\0"])
    async def test_what_is_malformed_is_refused(self, place, spoilt, value):
        browser = Browser()
        place.let_in(browser.key)
        async with Run(place).server() as port:
            told = await proof(port, browser) | {spoilt: value}
            assert (await say(port, "/session", told)).status == 401
            assert (await say(port, "/ask", told)).status == 401

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"ask": 1}', b"x" * 600, b"[" * 500])
    async def test_what_is_no_object_of_strings_is_refused(self, place, body):
        async with Run(place).server() as port:
            for path in ("/session", "/ask", "/asked"):
                assert (await say(port, path, body)).status in {400, 401}

    async def test_where_no_address_is_kept_nobody_comes_back(self):
        async with Run(None).server() as port:
            assert (await say(port, "/challenge", {})).status == 404
            told = Browser().proof("challenge", f"http://127.0.0.1:{port}")
            assert (await say(port, "/session", told)).status == 401
            assert (await say(port, "/ask", told)).status == 401

    async def test_a_challenge_ends(self, place):
        now = [0.0]
        browsers, browser = Browsers(place, lambda: now[0]), Browser()
        challenge = browsers.challenge()
        now[0] = CHALLENGE_SECONDS + 1
        told = browser.proof(challenge, "http://here")
        assert browsers.proven(*told.values(), b"http://here") is None


@pytest.mark.real
class TestAsking:
    async def test_who_is_let_in_gets_a_token_and_comes_back_later(self, place):
        run, browser = Run(place), Browser()
        run.service.pages.add()
        async with run.server() as port:
            asked = json.loads((await say(port, "/ask", await proof(port, browser))).body)
            assert run.access.browsers.numbers == (asked["number"],)
            async with trio.open_nursery() as nursery:

                async def wait():
                    answer = await say(port, "/asked", {"ask": asked["ask"]})
                    assert run.access.knows(json.loads(answer.body)["token"])

                nursery.start_soon(wait)
                assert run.access.browsers.decide(asked["number"], let_in=True)
            assert run.access.browsers.numbers == ()
            assert (await say(port, "/asked", {"ask": asked["ask"]})).status == 404
            assert (await say(port, "/session", await proof(port, browser))).status == 200

    async def test_who_is_refused_stays_out(self, place):
        run, browser = Run(place), Browser()
        run.service.pages.add()
        async with run.server() as port:
            asked = json.loads((await say(port, "/ask", await proof(port, browser))).body)
            assert run.access.browsers.decide(asked["number"], let_in=False)
            assert (await say(port, "/asked", {"ask": asked["ask"]})).status == 403
            assert (await say(port, "/session", await proof(port, browser))).status == 401

    async def test_without_a_window_nobody_is_asked(self, place):
        run = Run(place)
        async with run.server() as port:
            assert (await say(port, "/ask", await proof(port, Browser()))).status == 404
            assert run.access.browsers.numbers == ()

    async def test_questions_are_few(self, place):
        now = [0.0]
        browsers = Browsers(place, lambda: now[0])
        for _ in range(MAX_ASKING):
            assert browsers.ask(Browser().key) is not None
        assert browsers.ask(Browser().key) is None
        for asked in range(MAX_ASKING, ASKS_PER_MINUTE):
            assert browsers.decide(browsers.numbers[0], let_in=False), asked
            assert browsers.ask(Browser().key) is not None
        browsers.decide(browsers.numbers[0], let_in=False)
        assert browsers.ask(Browser().key) is None, "so many in a minute"
        now[0] = ASK_SECONDS + 1
        assert browsers.numbers == (), "and they end by themselves"
        assert browsers.ask(Browser().key) is not None

    async def test_a_click_that_comes_too_late_lets_nobody_in(self, place):
        now = [0.0]
        browsers, browser = Browsers(place, lambda: now[0]), Browser().key
        _, asking = browsers.ask(browser)
        now[0] = ASK_SECONDS + 1  # and no window was told that it is over
        assert not browsers.decide(asking.number, let_in=True)
        assert not browsers.knows(browser)

    async def test_a_number_that_does_not_ask_lets_nobody_in(self, place):
        browsers = Browsers(place, trio.current_time)
        assert not browsers.decide("0000", let_in=True)
        _, asking = browsers.ask(Browser().key)
        assert browsers.decide(asking.number, let_in=False)
        assert not browsers.decide(asking.number, let_in=True), "decided is decided"


class TestPlace:
    def test_it_is_chosen_once_and_kept_with_the_home(self, tmp_path):
        home = tmp_path / "home"
        place = AppPlace.of(home)
        assert FIRST_PORT <= place.port <= LAST_PORT
        browser = Browser().key
        place.let_in(browser)
        assert not home.exists(), "there is no home to write to yet"
        create_home(home, KeyFile(), SEED, now=0)
        place.keep()
        again = AppPlace.of(home)
        assert again.port == place.port
        assert again.knows(browser)
        assert (home / APP_NAME).stat().st_mode & 0o777 == 0o600

    def test_the_one_that_was_let_in_longest_ago_gives_way(self, place):
        keys = [Browser().key for _ in range(MAX_BROWSERS + 1)]
        for key in keys:
            place.let_in(key)
        assert [place.knows(key) for key in keys] == [False] + [True] * MAX_BROWSERS

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            '{"port": 80, "browsers": []}',
            '{"port": true, "browsers": []}',
            '{"port": 25000, "browsers": ["00"]}',
            '{"port": 25000, "browsers": 7}',
            "[" * 9_000,
        ],
    )
    def test_a_file_that_says_nothing_is_made_anew(self, tmp_path, text):
        home = tmp_path / "home"
        create_home(home, KeyFile(), SEED, now=0)
        (home / APP_NAME).write_text(text)
        place = AppPlace.of(home)
        place.keep()
        assert AppPlace.of(home).port == place.port

    def test_a_link_that_another_put_there_is_not_followed(self, tmp_path):
        home = tmp_path / "home"
        create_home(home, KeyFile(), SEED, now=0)
        (home / APP_NAME).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ForeignHome):
            AppPlace.of(home)

    @pytest.mark.real
    def test_its_port_is_none_that_connections_are_given(self):
        for _ in range(200):
            with socket.create_server(("127.0.0.1", 0)) as other:
                assert not FIRST_PORT <= other.getsockname()[1] <= LAST_PORT
