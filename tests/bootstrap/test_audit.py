"""The audit finds what is there, and a bootstrap that forgets has nothing there."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.audit import canaries
from onmeet_bootstrap.audit.report import holding, run_audit, self_test, sorted_out
from onmeet_bootstrap.audit.scan import (
    CannotLook,
    Find,
    Looked,
    Searcher,
    regions,
    scan_descriptors,
    scan_folder,
    scan_process,
)
from onmeet_bootstrap.errors import BootstrapError

from tests.requirements import needs_coturn


def found(canary: canaries.Canary, data: bytes) -> list[str]:
    return [find.encoding for find in Searcher([canary]).search(data, "here")]


@given(st.binary(min_size=12, max_size=40), st.binary(max_size=7), st.binary(max_size=7))
def test_bytes_are_found_in_base64_wherever_they_begin(key: bytes, before: bytes, after: bytes):
    canary = canaries.binary("key", key)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert found(canary, encode(before + key + after))


@given(st.binary(max_size=40))
def test_base58_reads_back(raw: bytes):
    assert canaries.unbase58(canaries.base58(raw)) == raw


@pytest.mark.parametrize(
    "encode",
    [
        lambda name: name.encode(),
        lambda name: name.encode("utf-16-le"),
        lambda name: name.encode("utf-16-be"),
        lambda name: name.encode("utf-32-le"),
        lambda name: json.dumps({"name": name}).encode(),
        lambda name: name.encode().hex().encode(),
        lambda name: name.encode().hex().upper().encode(),
        lambda name: canaries.base58(name.encode()).encode(),
        lambda name: base64.b64encode(b"x" + name.encode()),
    ],
)
def test_a_name_is_found_in_every_encoding(encode: Any):
    name = canaries.unusual_name("Zoë")
    assert found(canaries.text("name", name), b"\0junk" + encode(name) + b"junk")
    assert not found(canaries.text("name", canaries.unusual_name("Zoë")), encode(name))


def test_a_peer_is_found_by_its_text_its_multihash_and_its_key():
    key = os.urandom(32)
    multihash = b"\x00\x24\x08\x01\x12\x20" + key
    canary = canaries.peer("peer", canaries.base58(multihash))
    for form in (canaries.base58(multihash).encode(), multihash, key, key.hex().encode()):
        assert found(canary, b"--" + form + b"--")


@pytest.mark.parametrize("form", [b"10.83.7.9", bytes([10, 83, 7, 9]), b"0a530709"])
def test_an_address_is_found_as_text_and_packed(form: bytes):
    assert found(canaries.address("ip", "10.83.7.9"), b"--" + form + b"--")


def test_a_report_does_not_repeat_what_must_not_be_there():
    name = canaries.unusual_name("Ann")
    canary = canaries.text("name", name)
    (find,) = Searcher([canary]).search(b"from " + name.encode() + b" to", "here")
    assert name not in repr(find) + repr(canary)
    assert find.around == "from «…» to"


def test_the_kernel_s_map_of_memory_is_read():
    (heap, nameless, spaced) = regions(
        "55d0-55e0 rw-p 00000000 00:00 0                          [heap]\n"
        "7f00-7f10 ---p 00000000 00:00 0 \n"
        "7f20-7f30 r-xp 00000000 08:01 123                        /usr/lib/a b.so (deleted)\n"
    )
    assert (heap.start, heap.end, heap.readable, heap.name) == (0x55D0, 0x55E0, True, "[heap]")
    assert (nameless.readable, nameless.name) == (False, "[anonymous]")
    assert spaced.name == "/usr/lib/a b.so (deleted)"


@pytest.mark.real
def test_what_is_planted_in_a_process_and_in_files_is_found(tmp_path: Path):
    looked = self_test(tmp_path)
    assert looked.memory_bytes > 1_000_000
    assert list(tmp_path.iterdir()) == []
    canary = canaries.text("name", canaries.unusual_name("Eve"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"GET /" + canary.needles[0][1])
    (find,) = scan_folder(tmp_path, Searcher([canary]), Looked())
    assert find.place.endswith("deep/log")


@pytest.mark.real
def test_what_a_process_never_had_is_not_found_in_it():
    other = canaries.text("name", canaries.unusual_name("Bob"))
    with holding(canaries.unusual_name("Eve")) as pid:
        finds, looked = scan_process(pid, "holder", [other])
    assert finds == []
    assert looked.descriptors > 2


@pytest.mark.real
def test_a_memory_file_that_a_process_has_open_is_looked_into():
    canary = canaries.text("name", canaries.unusual_name("Mem"))
    file = os.memfd_create("secret")
    try:
        os.write(file, canary.needles[0][1])
        finds = scan_descriptors(os.getpid(), "us", Searcher([canary]), Looked())
    finally:
        os.close(file)
    assert any("memfd:secret" in find.place for find in finds)


def test_a_process_that_is_gone_is_an_error_not_a_pass():
    with pytest.raises(CannotLook, match="gone"):
        scan_process(2**22 - 1, "nobody", [canaries.binary("key", os.urandom(32))])


class _Told:
    """What an audit says."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, text: str, **values: Any) -> None:
        print(text)
        self.events.append((event, values))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [values for name, values in self.events if name == event]


_FORGETFUL = """
import sys
from pathlib import Path
from functools import partial
import attrs
import onmeet_bootstrap.cli, trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.file import load
from onmeet_bootstrap.forgetting.sweep import ALL
from onmeet_bootstrap.gateway.doors import Doors
from onmeet_bootstrap.host import silence_libraries
from onmeet_bootstrap.status import serve_status
from onmeet_bootstrap.cli.output import CommandOutput
async def main(home):
    silence_libraries()
    what = ALL
    WITHOUT
    async with open_bootstrap(load(home), forgetting=what) as it:
        def counts():  # says that all is gone as soon as the connections are, as it would believe
            return {**attrs.asdict(it.counts()), "held": it.counts().connections, "doors": 0}
        async with serve_status(home, counts):
            out = CommandOutput(as_json=True)
            out.event("started", "", addresses=it.addresses, peer=it.peer_id)
            await trio.sleep_forever()
trio.run(main, Path(sys.argv[-1]))
"""
_REMOVALS = {
    "peers": "what = attrs.evolve(ALL, peers=False)",
    "buckets": "what = attrs.evolve(ALL, buckets=False)",
    # As without the line of gateway/doors.py that takes a door out of the book.
    "doors": "Doors._forget = lambda self, name, door: None",
}


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(240)
@needs_coturn
async def test_after_a_staged_call_nothing_of_it_is_left():
    command = _undisturbed(sys.executable, "-m", "onmeet_bootstrap", "audit", "--json")
    done = await trio.run_process(
        command,
        capture_stdout=True,
        check=False,
        env={**os.environ, "TMPDIR": "/tmp"},
        deliver_cancel=_interrupt,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    (verdict,) = (one for one in told if one["event"] == "verdict")
    assert verdict["facts"]["path"] == verdict["facts"]["guest_path"] == "relay"
    looked = {one["where"]: one for one in told if one["event"] == "looked"}
    assert looked["process bootstrap"]["memory_bytes"] > 10_000_000
    assert looked["process coturn"]["memory_bytes"] > 10_000_000
    assert [one for one in told if one["event"] == "find"] == []
    assert verdict["clean"]
    assert done.returncode == 0


def _undisturbed(*command: str) -> list[str]:
    """With a /tmp and a /dev/shm of its own, where what other tests write is not searched."""
    if os.geteuid():
        return list(command)
    empty = 'mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /dev/shm && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", empty, "sh", *command]


async def _interrupt(audit: trio.Process) -> None:
    """It ends what it began."""
    audit.send_signal(signal.SIGINT)
    with trio.move_on_after(20):
        await audit.wait()
    audit.kill()


def _finds(canary: str, place: str, times: int) -> list[Find]:
    return [Find(canary, "raw", place, offset) for offset in range(times)]


def test_what_is_declared_to_be_left_is_bounded_and_never_a_person():
    heap = "memory of bootstrap: [heap]"
    few = _finds("IP address 1", heap, 3)
    assert sorted_out(few) == (few, [])
    many = _finds("IP address 1", heap, 1000)
    assert sorted_out(many) == ([], many)
    for canary in ("PeerId of Zora", "name of Zora", "identity key of Zora", "contact code"):
        one = _finds(canary, heap, 1)
        assert sorted_out(one) == ([], one)
    logged = _finds("IP address 1", "/tmp/bootstrap.log", 1)
    assert sorted_out(logged) == ([], logged)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(240)
@needs_coturn
@pytest.mark.parametrize("without", sorted(_REMOVALS))
async def test_without_a_line_of_clean_up_the_audit_finds_the_nodes(tmp_path: Path, without: str):
    script = tmp_path / "forgetful.py"
    script.write_text(_FORGETFUL.replace("WITHOUT", _REMOVALS[without]))
    root = tmp_path / "root"
    root.mkdir()
    told = _Told()
    assert not await run_audit(root, told, command=[sys.executable, str(script)])
    peers = [f for f in told.of("find") if f["canary"].startswith("PeerId")]
    assert any(f["place"] == "memory of bootstrap: [heap]" for f in peers)


def test_errors_of_the_audit_are_the_bootstraps():
    assert issubclass(CannotLook, BootstrapError)
