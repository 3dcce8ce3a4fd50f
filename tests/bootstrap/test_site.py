"""The operator's site: its policy is announced in time, and letters arrive or are not lost."""

from __future__ import annotations

import datetime
import socket
import threading
from contextlib import contextmanager
from email.policy import SMTP
from urllib.parse import urlencode

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis.strategies import text
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import SiteConfig, ephemeral_config
from onmeet_bootstrap.errors import SettingsError
from onmeet_bootstrap.gateway.policy import in_force, read_policies
from onmeet_bootstrap.gateway.site import Letter, check, letter_of
from onmeet_bootstrap.gateway.texts import WORDS, language_of

from tests.bootstrap.test_gateway import get
from tests.examples import examples

DAY = datetime.date.fromisoformat


def policy(path, version, posted, effective, text="Be kind."):
    path.write_text(f"version: {version}\nposted: {posted}\neffective: {effective}\n\n{text}\n")
    return str(path)


def test_the_newest_policy_in_force_holds_and_the_next_is_announced(tmp_path):
    paths = (
        policy(tmp_path / "1", 1, "2026-01-01", "2026-01-15"),
        policy(tmp_path / "2", 2, "2026-11-01", "2026-12-01"),
    )
    policies = read_policies(paths, DAY("2026-11-24"))
    assert [p.version for p in policies] == [2, 1]
    assert in_force(policies, DAY("2026-11-30")).version == 1
    assert in_force(policies, DAY("2026-12-01")).version == 2


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((1, "2026-11-01", "2026-11-14"), "2026-11-15 or later"),
        ((1, "2026-12-01", "2026-12-20"), "still to come"),
        ((0, "2026-11-01", "2026-11-20"), "version 0"),
        (("one", "2026-11-01", "2026-11-20"), "begins with three lines"),
        ((1, "yesterday", "2026-11-20"), "begins with three lines"),
        ((1, "2026-11-01", "2026-11-20", " "), "no text"),
    ],
)
def test_a_policy_that_is_not_announced_in_time_or_unreadable_is_refused(tmp_path, lines, says):
    path = policy(tmp_path / "policy", *lines)
    with pytest.raises(SettingsError, match=says):
        read_policies((path,), DAY("2026-11-24"))


def test_versions_count_on_and_take_effect_in_their_order(tmp_path):
    one = policy(tmp_path / "1", 1, "2026-01-01", "2026-03-01")
    same = policy(tmp_path / "2", 1, "2026-01-01", "2026-03-01")
    earlier = policy(tmp_path / "3", 2, "2026-01-01", "2026-02-01")
    with pytest.raises(SettingsError, match="count on"):
        read_policies((one, same), DAY("2026-11-24"))
    with pytest.raises(SettingsError, match="before"):
        read_policies((one, earlier), DAY("2026-11-24"))
    with pytest.raises(SettingsError, match="cannot read"):
        read_policies((str(tmp_path / "none"),), DAY("2026-11-24"))


@pytest.mark.parametrize(
    ("letter", "wrong"),
    [
        (Letter("Ann", "ann@example.org", "Hello"), set()),
        (Letter(" ", "ann@example.org", "Hello"), {"name"}),
        (Letter("A\r\nBcc: x@y.zz", "ann@example.org", "Hello"), {"name"}),
        (Letter("Ann", "ann@example.org\r\nBcc: x@y.zz", "Hello"), {"email"}),
        (Letter("Ann", "ann", "Hello"), {"email"}),
        (Letter("Ann", "a" * 300 + "@example.org", "Hello"), {"email"}),
        (Letter("Ann", "ann@example.org", ""), {"message"}),
        (Letter("A" * 81, "@", "x" * 4_001), {"name", "email", "message"}),
    ],
)
def test_each_field_is_checked_by_itself(letter, wrong):
    found = check(letter)
    assert set(found) == wrong
    assert all(key in words for words in WORDS.values() for key in found.values())


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("ann@example.org", None),
        ("a.b+c_d'e=f@mail.example.co.uk", None),
        ("x" * 64 + "@example.org", None),
        ("=?utf-8?q?x?=@example.org", "email.bad"),
        ("=?utf-8?b?Qg==?=@example.org", "email.bad"),
        ("a=?b@example.org", "email.bad"),
        ("a\0b@example.org", "email.bad"),
        ("a\x07b@example.org", "email.bad"),
        ("a\x7fb@example.org", "email.bad"),
        ("ann@example.org\n", "email.bad"),
        ("ann@example.org\u2028Bcc: x@y.zz", "email.bad"),
        ("ann\x85@example.org", "email.bad"),
        ("ann\u202e@example.org", "email.bad"),
        ("zoë@example.org", "email.letters"),
        ("ann@grüße.example", "email.letters"),
        ("ａnn@example.org", "email.letters"),
        ("ann\xa0@example.org", "email.letters"),
        ("x" * 65 + "@example.org", "email.bad"),
        ("a@" + "b." * 130 + "org", "email.bad"),
        (".a@example.org", "email.bad"),
        ("a..b@example.org", "email.bad"),
        ("a@-example.org", "email.bad"),
        ("a@example..org", "email.bad"),
        ("a@[127.0.0.1]", "email.bad"),
        ("a@b@example.org", "email.bad"),
        ("a, b@example.org", "email.bad"),
        ('"a b"@example.org', "email.bad"),
        ("Ann <ann@example.org>", "email.bad"),
        ("ann@example.org, bob@example.org", "email.bad"),
        ("ann@example.org;bob@example.org", "email.bad"),
        ("(x)ann@example.org", "email.bad"),
        ("", "email.bad"),
    ],
)
def test_an_address_is_one_that_can_be_answered_or_it_is_said_why_not(email, key):
    assert check(Letter("Ann", email, "Hello")).get("email") == key


@pytest.mark.parametrize(
    ("name", "message", "wrong"),
    [
        ("Zoë 👩‍👩‍👧", "Hi\r\n\tthere 👩‍👩‍👧\u2028\u202bשלום\u202c", {}),
        ("نام‌خانوادگی", "Hi", {}),
        ("A\0", "Hi", {"name": "name.odd"}),
        ("A\u2028B", "Hi", {"name": "name.odd"}),
        ("nnA\u202e", "Hi", {"name": "name.odd"}),
        ("Ann", "Hi\0", {"message": "message.odd"}),
        ("Ann", "Hi\x1b[2J", {"message": "message.odd"}),
        ("Ann", "Hi\ud800", {"message": "message.odd"}),
    ],
)
def test_names_and_messages_hold_what_people_write_and_no_controls(name, message, wrong):
    assert check(Letter(name, "ann@example.org", message)) == wrong


@given(text(), text(), text(max_size=30), text(max_size=30))
@settings(max_examples=examples(200, full=2_000), deadline=None)
def test_whatever_is_typed_is_refused_or_makes_a_letter_of_four_headers(name, message, left, right):
    letter = Letter(name, f"{left}@{right}", message)
    if check(letter):
        letter = Letter("Ann", "ann@example.org", message)
    if check(letter):
        return
    made = letter_of(SiteConfig(mail_from="a@example.org", mail_to="b@example.org"), letter)
    head = made.as_bytes(policy=SMTP).partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] != b" "]
    assert set(names) <= {
        b"from", b"to", b"reply-to", b"subject", b"content-type", b"mime-version",
        b"content-transfer-encoding",
    }  # fmt: skip
    assert len(names) == len(set(names))


def test_languages_have_the_same_texts_and_are_chosen_as_the_browser_asks():
    assert len({frozenset(words) for words in WORDS.values()}) == 1
    assert language_of("de-CH;q=0.8, fr;q=0.9, en;q=0.1") == "fr"
    assert language_of("tlh, ar") == "ar"
    assert language_of("") == language_of(";;q=x,,") == "en"


@contextmanager
def mail_server(*, refuse=False):
    """A mail server of a few lines that keeps what it is given."""
    letters = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, connection.makefile("rwb") as file:
                    _talk(file, letters, refuse=refuse)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], letters
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _talk(file, letters, *, refuse):
    def say(line):
        file.write(line.encode() + b"\r\n")
        file.flush()

    say("220 ready")
    for line in file:
        word = line.split()[0].upper().decode() if line.split() else ""
        if word == "DATA":
            say("354 go on")
            letters.append(b"".join(iter(file.readline, b".\r\n")).decode())
            say("250 taken")
        elif word == "RCPT" and refuse:
            say("550 nobody here")
        elif word == "QUIT":
            say("221 bye")
            return
        else:
            say("250 ok")


async def post(port, fields, **headers):
    body = urlencode(fields).encode()
    stream = await trio.open_tcp_stream("127.0.0.1", int(port))
    sent = {
        "Host": f"127.0.0.1:{port}",
        "Connection": "close",
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": len(body),
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    data = b""
    async with stream:
        await stream.send_all(f"POST /contact HTTP/1.1\r\n{lines}\r\n".encode() + body)
        with trio.fail_after(30):
            async for part in stream:
                data += part
    head, _, text = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), text.decode()


def a_site(tmp_path, port, **settings):
    config = ephemeral_config(guests=True)
    path = policy(tmp_path / "policy", 3, "2026-01-01", "2026-01-15", "No <b>tracking</b>.")
    site = SiteConfig(
        serve=True,
        policies=(path,),
        mail_to="operator@example.org",
        mail_from="site@example.org",
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_tls="none",
        **settings,
    )
    return attrs.evolve(config, site=site, operator="Verein <Treff>", region="de")


GOOD = {"name": "Zoë", "email": "zoe@example.org", "message": "Grüße\n.\n& <b>"}


@pytest.mark.real
async def test_the_site_says_who_runs_it_and_what_its_policy_is(tmp_path):
    async with open_bootstrap(a_site(tmp_path, 1)) as running:
        port = running.guest_origin.rpartition(":")[2]
        status, headers, body = await get(port, "/", **{"Accept-Language": "de"})
        text = body.decode()
        assert status == 200
        assert "Verein &lt;Treff&gt;" in text
        assert "Deutschland" in text
        assert '<html lang="de"' in text
        assert "set-cookie" not in headers
        assert "script" not in text
        assert "default-src 'none'" in headers["content-security-policy"]
        _, _, body = await get(port, "/policy")
        assert b"No &lt;b&gt;tracking" in body
        assert b"Version 3, in force since 2026-01-15" in body
        _, _, body = await get(port, "/.well-known/onmeet.json")
        assert b'"policy_version": 3' in body
        _, _, body = await get(port, "/contact", **{"Accept-Language": "ar"})
        assert 'dir="rtl"' in body.decode()


@pytest.mark.real
async def test_a_letter_reaches_the_operator_and_nothing_can_be_added_to_its_head(tmp_path):
    with mail_server() as (smtp, letters):
        async with open_bootstrap(a_site(tmp_path, smtp)) as running:
            port = running.guest_origin.rpartition(":")[2]
            status, text = await post(port, GOOD)
            assert (status, "was sent" in text) == (200, True)
            evil = {**GOOD, "email": "a@example.org\r\nBcc: b@example.org"}
            status, text = await post(port, evil)
            assert status == 422
            assert "That is no e-mail address" in text
            assert "Grüße" in text, "what was typed is kept"
            for email in ("=?utf-8?q?x?=@example.org", "a\0b@example.org", "a\x07@example.org"):
                status, text = await post(port, {**GOOD, "email": email})
                assert (status, "That is no e-mail address" in text) == (422, True)
            status, text = await post(port, {**GOOD, "email": "zoë@example.org"})
            assert (status, "such letters" in text) == (422, True)
            status, _ = await post(port, GOOD, **{"Sec-Fetch-Site": "cross-site"})
            assert status == 403
    [letter] = letters
    assert "To: operator@example.org" in letter
    assert "Reply-To: zoe@example.org" in letter
    assert "Bcc" not in letter


@pytest.mark.real
async def test_a_mail_server_that_refuses_loses_nothing_that_was_typed(tmp_path):
    with mail_server(refuse=True) as (smtp, _):
        async with open_bootstrap(a_site(tmp_path, smtp)) as running:
            port = running.guest_origin.rpartition(":")[2]
            status, text = await post(port, GOOD)
    assert status == 502
    assert "could not be sent" in text
    assert "Grüße" in text
    assert "&lt;b&gt;" in text


@pytest.mark.real
async def test_letters_are_limited_by_address(tmp_path):
    with mail_server() as (smtp, letters):
        async with open_bootstrap(a_site(tmp_path, smtp)) as running:
            port = running.guest_origin.rpartition(":")[2]
            codes = [(await post(port, GOOD))[0] for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    assert len(letters) == 5


@pytest.mark.real
async def test_forms_of_any_size_and_shape_are_answered(tmp_path):
    async with open_bootstrap(a_site(tmp_path, 1)) as running:
        port = running.guest_origin.rpartition(":")[2]
        for fields in ({"message": "x" * 100_000}, {}, {f"f{n}": "x" for n in range(50)}):
            assert (await post(port, fields))[0] == 422


@pytest.mark.real
async def test_a_site_without_its_mail_server_or_gateway_is_refused(tmp_path):
    config = a_site(tmp_path, 1)
    for wrong in (
        attrs.evolve(config, site=attrs.evolve(config.site, smtp_host="")),
        attrs.evolve(config, guests=attrs.evolve(config.guests, serve=False)),
    ):
        with pytest.RaisesGroup(SettingsError, allow_unwrapped=True, flatten_subgroups=True):
            async with open_bootstrap(wrong):
                pass
