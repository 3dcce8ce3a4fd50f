"""One class, one name, in one place; files of a size to read; interfaces that something needs."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "onmeet_node", ROOT / "bootstrap" / "onmeet_bootstrap")

MESSAGES = {
    path.relative_to(ROOT).as_posix() for path in (ROOT / "onmeet_node/web/messages").glob("*.py")
}
"""Messages from the node to its pages are named on the wire by their class: they speak of what the
node has under the same name."""
TWICE = {
    "Dial": "what is asked of a node, and what its call machine is told then; named so on the wire",
}


def _classes() -> dict[str, set[str]]:
    found = defaultdict(set)
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found[node.name].add(path.relative_to(ROOT).as_posix())
    return found


def test_no_class_has_the_name_of_another() -> None:
    found = {name: files for name, files in _classes().items() if name not in TWICE}
    twice = {name: files for name, files in found.items() if len(files - MESSAGES) > 1}
    assert twice == {}


def test_what_is_only_for_tests_is_not_in_the_product() -> None:
    wrong = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in package.rglob("*.py")
        if "trio.testing" in path.read_text(encoding="utf-8")
    ]
    assert wrong == []


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────
MOST_LINES = 400
SOURCES = (*PACKAGES, ROOT / "ui" / "src")
WHY_ONE = "one file because"
"""In the first line of a file that is longer, before the reason."""
GENERATED = re.compile(r"// Made from ")


def _too_long() -> Iterator[str]:
    for folder in SOURCES:
        for path in (*folder.rglob("*.py"), *folder.rglob("*.ts")):
            lines = path.read_text(encoding="utf-8").splitlines()
            reason = len(lines) > MOST_LINES and WHY_ONE in lines[0]
            if len(lines) > MOST_LINES and not reason and not GENERATED.match(lines[0]):
                yield path.relative_to(ROOT).as_posix()


def test_no_file_is_longer_than_400_lines_without_a_reason_in_its_first() -> None:
    assert list(_too_long()) == []


# ── interfaces ───────────────────────────────────────────────────────────────────────────────────
INTERFACES = {
    "Abortable": ("Stream", "embedded/gateway.py:_End"),
    "AddressBookView": ("Acquaintances", "NoContacts"),
    "Book": ("Doors", "OwnDoors"),
    "CallLedger": ("NodeLedger", "RoomLedger"),
    "CallTransport": ("CallRouter", "RoomTransport"),
    "ChannelNetwork": ("Host", "RoomNetwork"),
    "Credentials": ("DeviceCredentials", "KeyAlone"),
    "Doorkeeper": ("ContactDoorkeeper", "RoomDoorkeeper"),
    "EntryShelf": ("SyncedEntries", "EntriesInMemory"),
    "GuestChannels": ("RoomGuests", "CarriedGuestChannels"),
    "GuestGateways": ("Network", "tests/fakes/guests.py:FakeGateways"),
    "KeyringBackend": ("keyring.backend:KeyringBackend", "tests/store/conftest.py:MemoryKeyring"),
    "LanHost": ("Host", "tests/net/test_lan.py:FakeHost"),
    "MediaEndpoint": ("AiortcEndpoint", "PageEndpoint"),
    "MediaSession": ("AiortcSession", "PageSession"),
    "MediaSetup": ("NodeMediaSetup", "GuestMediaSetup"),
    "OwnList": ("OwnDevices", "NoList"),
    "PersonKeys": ("HeldKeys", "LinkedKeys"),
    "RecordRules": ("PresenceRules", "tests/net/test_traps_dht.py:AnyKey"),
    "Records": ("Host", "onmeet_node/testing/dht.py:FakeDht"),
    "Servers": ("Host", "tests/net/test_peer_cache.py:Met"),
    "Service": ("LocalApp", "tests/web/test_server.py:Service"),
    "SettingKind": ("Number", "TextSetting"),
    "Shape": ("Flag", "Integer"),
    "SocketAgent": ("IceAgent", "tests/media/test_turn_trouble.py:Receiver"),
    "Source": ("FileSource", "DeviceSource"),
    "TokenPurse": ("PurseSlot", "tests/fakes/tokens.py:FakePurse"),
    "UnixSocket": ("socket:socket", "trio.socket:SocketType"),
}
"""Each interface, and two that have it: a class of ours by its name, which is found once; a test's
fake, or one that is nobody's name, as `file:class`; a library's as `module:class`."""


class Trees:
    """The classes of our packages and tests, as they are written."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, ast.ClassDef]] = defaultdict(dict)
        for folder in (*PACKAGES, ROOT / "tests"):
            for path in folder.rglob("*.py"):
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.ClassDef):
                        self.of[path.relative_to(ROOT).as_posix()][node.name] = node

    def interfaces(self) -> dict[str, ast.ClassDef]:
        """Every Protocol class of the product."""
        return {
            node.name: node
            for path, classes in self.of.items()
            for node in classes.values()
            if not path.startswith("tests/") and "Protocol" in map(_name, node.bases)
        }

    def find(self, name: str) -> ast.ClassDef | None:
        """A class by its name, or by `file:class`."""
        end, _, last = name.rpartition(":")
        for path, classes in self.of.items():
            ours = path.endswith(end) if end else not path.startswith("tests/")
            if ours and last in classes:
                return classes[last]
        return None

    def members(self, node: ast.ClassDef) -> set[str]:
        """What it has, and what it inherits from classes of ours."""
        found = {base for one in node.bases for base in self._of_base(_name(one))}
        for part in ast.walk(node):
            match part:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    found.add(name)
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    found.add(name)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(name)
                case ast.Assign(targets=[ast.Name(id=name)]):
                    found.add(name)
                case _:
                    pass
        return found

    def _of_base(self, name: str) -> set[str]:
        base = self.find(name)
        return self.members(base) if base is not None and name != "Protocol" else set()


def _name(base: ast.expr) -> str:
    return ast.unparse(base).partition("[")[0].rpartition(".")[2]


@pytest.fixture(scope="module")
def trees() -> Trees:
    return Trees()


def test_every_interface_is_listed_with_two_that_have_it(trees: Trees) -> None:
    assert set(trees.interfaces()) == set(INTERFACES)
    assert all(len(set(pair)) == 2 for pair in INTERFACES.values())


@pytest.mark.parametrize(
    ("interface", "name"), [(one, name) for one, pair in INTERFACES.items() for name in pair]
)
def test_whoever_is_listed_has_the_whole_interface(trees: Trees, interface: str, name: str) -> None:
    wanted = trees.members(trees.interfaces()[interface])
    found = trees.find(name)
    if found is None:
        module, _, attribute = name.partition(":")
        assert attribute, f"there is no class {name}"
        assert wanted <= set(dir(getattr(importlib.import_module(module), attribute)))
    else:
        assert wanted <= trees.members(found)
