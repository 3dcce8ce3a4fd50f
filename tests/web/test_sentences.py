"""Whatever the node can say to a person in its app is known there in each language.

The node speaks English; `ui/src/i18n/sentences` has the rest. Read here from the node's own code.
"""

import ast
import importlib
import itertools
import json
import pkgutil
import subprocess
from pathlib import Path

import pytest

from onmeet_node.calls.sentences import Facts, own_fault, sentence, stopped_there
from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.rooms.notices import SENTENCES
from onmeet_node.web import local_app
from tests.protocol.room.page import BUILT, UI, build
from tests.requirements import need
from tests.web.test_texts import keys

pytestmark = pytest.mark.real

PACKAGE = Path(local_app.__file__).parents[1]
ASKED_BY_PAGES = (
    "calls", "contacts", "control", "guests", "node", "protocol.call", "protocol.identity",
    "protocol.room", "protocol.spoken", "rooms", "store", "web",
)  # fmt: skip
NOT_FOR_PAGES = {
    "BadFingerprint": "of a peer's description",
    "BadDeviceList": "of a peer",
    "BadKey": "of bytes that nobody types",
    "BadRoster": "of a peer",
    "BadRequest": "of the control socket",
    "CannotListen": "before there is a page",
    "ChatInPage": "of a program that speaks in a page's call",
    "ChatNotTaken": "of a program that speaks in a call; a page has a text of its own",
    "CommandRefused": "of the command line",
    "DeviceListAhead": "of a peer",
    "DeviceListExpired": "of a peer",
    "DeviceListForked": "of a peer",
    "DeviceListOlder": "of a peer",
    "DeviceNotListed": "of a peer",
    "ForeignHome": "before there is a page",
    "GenerationsUsedUp": "the call goes on as it is",
    "HomeInUse": "before there is a page",
    "HomeNotLockable": "before there is a page",
    "HomePathTooLong": "before there is a page",
    "NotAHome": "before there is a page",
    "PageSilent": "the page's own fault",
    "NoNodeRuns": "of the command line",
    "NoApp": "then there is no page",
    "PeerBrokeCall": "ends a call, which has a sentence of its own",
    "RoomEntryDenied": "of commands, which wait until they are in",
    "WrongDoor": "of a program's mistake",
}
"""Errors of these packages that no page is told, and why."""
OF_PROGRAMS = (
    "bytes", "JSON", "A relay's region", "must expire", "audiences", "{listed}", "may be any of",
    "Nobody here is called", "Several guests", "No guest is called", "How long", "call history",
    "contact list", "The setting X is", "the key file belongs", "fresh random",
    "Several calls fit", "A link cannot begin",
)  # fmt: skip
"""In what only a program of ours could get wrong, or a command line."""
FINDINGS = ("net/examine.py", "node/doctor.py", "node/node.py")


def texts(node):
    """The texts that stand in the source, with X for a value."""
    match node:
        case ast.Constant(value=str(value)):
            return [value]
        case ast.IfExp(body=one, orelse=other):
            return texts(one) + texts(other)
        case ast.FormattedValue(value=value):
            return texts(value) if isinstance(value, ast.IfExp) else ["X"]
        case ast.JoinedStr(values=parts):
            return ["".join(chosen) for chosen in itertools.product(*map(texts, parts))]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            both = itertools.product(texts(left) or ["X"], texts(right) or ["X"])
            return ["".join(chosen) for chosen in both]
    return []


def name_of(call):
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def subclasses(cls):
    for one in cls.__subclasses__():
        yield one
        yield from subclasses(one)


def told():
    """The errors that a page can be told, and for which it has no text of its own."""
    own = {key.partition(".")[2] for key in keys("en") if key.startswith("refused.")}
    packages = tuple(f"onmeet_node.{one}" for one in ASKED_BY_PAGES)
    for module in pkgutil.walk_packages([str(PACKAGE)], "onmeet_node."):
        if module.name.startswith(packages):
            importlib.import_module(module.name)  # or what others loaded would decide what is found
    found = {one.__name__ for one in subclasses(OnMeetError) if one.__module__.startswith(packages)}
    assert found >= NOT_FOR_PAGES.keys(), "an exception that there is no more"
    return found - own - NOT_FOR_PAGES.keys()


def refusals():
    classes = told()
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in classes:
                inside = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
                calls = [n for n in inside if name_of(n) == "__init__"]
            elif isinstance(node, ast.Call) and name_of(node) in classes:
                calls = [node] if takes_a_sentence(name_of(node)) else []
            else:
                continue
            yield from (said for call in calls if call.args for said in texts(call.args[0]))


def takes_a_sentence(name):
    """Whether an error is given its words where it is raised, and makes none itself."""
    cls = next(one for one in subclasses(OnMeetError) if one.__name__ == name)
    return "__init__" not in vars(cls)


def findings():
    for name in FINDINGS:
        for node in ast.walk(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name_of(node) in {"good", "poor", "bad"}:
                said = [one for argument in node.args for one in texts(argument)]
                yield from (one for one in said if one.strip("X") not in {"", ".", ")."})
    yield "This machine's clock is 10 minutes ahead."


def ends():
    flags = [name for name in Facts.__dataclass_fields__ if name != "turn_error"]
    for reason in EndReason:
        yield sentence(reason)
        yield sentence(reason, last_seen=7_300.0)
    for values in itertools.product((False, True), repeat=len(flags)):
        facts = Facts(**dict(zip(flags, values, strict=True)))
        for outgoing in (True, False, None):
            yield sentence(EndReason.MEDIA_FAILED, outgoing=outgoing, facts=facts)
        yield sentence(EndReason.NOT_REACHABLE, facts=facts)
    yield sentence(EndReason.MEDIA_FAILED, facts=Facts(had_turn=True, turn_error="X"))
    yield own_fault("That call is over.")
    yield from (stopped_there(answered=answered) for answered in (True, False))
    yield from SENTENCES.values()
    notices = ast.parse((PACKAGE / "rooms" / "notices.py").read_text(encoding="utf-8"))
    warned = [n for n in ast.walk(notices) if isinstance(n, ast.Call) and name_of(n) == "_warn"]
    yield from (said for call in warned for said in texts(call.args[1]))


@pytest.fixture(scope="module", autouse=True)
def _built():
    if not (UI / "node_modules").exists():
        need("the page's packages are not installed (make ui, with Node.js 20)")
    build()


@pytest.mark.parametrize("source", [refusals, findings, ends], ids=lambda one: one.__name__)
def test_what_the_node_says_is_known_in_each_language(source):
    sentences = {one for one in source() if not any(word in one for word in OF_PROGRAMS)}
    assert len(sentences) > 30
    done = subprocess.run(
        ["node", BUILT / "test" / "sentences-peer.js"],
        input=json.dumps(sorted(sentences)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {"fr": [], "de": [], "ar": []}
