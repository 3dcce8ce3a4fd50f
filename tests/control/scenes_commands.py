"""Every command at running nodes: people, calls, rooms, guests, and what is left of them."""

from __future__ import annotations

from typing import Any

from onmeet_node.contacts.own_devices import machine_name
from tests.control.commands import in_any_order
from tests.control.nodes import Lines, Running, until
from tests.control.normal import shape
from tests.control.stage import Stage


def play_people(stage: Stage) -> None:
    """Ann adds Bob by a code; Cleo does too, and is refused. Ann and Bob are contacts then."""
    ann, bob, cleo = (stage.world.nodes[name] for name in ("ann", "bob", "cleo"))
    with stage.scene("people"):
        stage.on("bob", "contacts", "list")
        stage.on("bob", "code", "list")
        made = stage.on("bob", "code", "new", "--label", "club", "--days", "30", "--qr")[0]
        stage.on("bob", "code", "new", "--label", "quiet", "--hide-address")
        stage.on("bob", "code", "new", "--label", "club")
        stage.on("bob", "code", "list")
        stage.on("bob", "contacts", "add", made["uri"])
        stage.on("bob", "contacts", "add", "onmeet:nonsense")
        stage.on("ann", "contacts", "add", made["uri"], "--name", "Bobby", "--note", "It is Ann")
        cleo.ask("add-contact", code=made["uri"])
        until(lambda: len(bob.ask("list-contacts")) == 2, "both ask")
        who = {name: node.ask("show-status")["identity"] for name, node in
               (("ann", ann), ("bob", bob), ("cleo", cleo))}  # fmt: skip
        stage.on("bob", "contacts", "list")
        stage.on("bob", "contacts", "accept", "Nobody")
        stage.on("bob", "contacts", "accept", who["ann"])
        stage.on("bob", "contacts", "accept", who["ann"])
        stage.on("bob", "contacts", "block", who["cleo"])
        stage.on("bob", "contacts", "list")
        cleo.ask("change-person", who=who["bob"], action="remove")  # or she would ask again
        stage.on("bob", "contacts", "remove", who["cleo"])
        stage.on("bob", "contacts", "remove", who["cleo"])
        stage.on("bob", "contacts", "block", "Nobody")
        until(lambda: ann.ask("list-contacts")[0]["state"] == "accepted", "Bob accepted")
        stage.on("ann", "contacts", "list")
        stage.on("ann", "contacts", "verify", "Bobby")
        stage.on("ann", "contacts", "verify", "Bobby", "--matches")
        stage.on("ann", "contacts", "verify", "Nobody")
        stage.on("bob", "code", "revoke", "quiet")
        stage.on("bob", "code", "revoke", "club", "--drop-requests")
        stage.on("bob", "code", "revoke", "club")


def play_settings(stage: Stage) -> None:
    """Profile, settings, status, doctor, the app, an export."""
    with stage.scene("settings"):
        stage.on("bob", "profile")
        stage.on("bob", "profile", "--name", "Bob B.", "--country", "de", "--phone", "+49 30 1",
                 "--email", "b@example.org", "--share", "email=contacts", "--share",
                 "name=everyone", "--reach", "codes", "--busy", "hide")  # fmt: skip
        stage.on("bob", "profile", "--country", "Germany")
        stage.on("bob", "profile", "--busy", "tell", "--name", "Bob")
        stage.on("bob", "settings")
        stage.on("bob", "account", "status")
        stage.on("bob", "account", "seat", "https://accounts.example.org/seat#seat-00000")
        stage.on("bob", "account", "buy")
        stage.on("bob", "account", "logout")
        stage.on("bob", "settings", "--relay-only", "--region", "ca")
        stage.on("bob", "settings", "--direct", "--region", "any")
        stage.on("bob", "settings", "--add-bootstrap", "example.org")
        stage.on("bob", "settings", "--add-bootstrap", stage.world.bootstrap)
        stage.on("bob", "settings", "--remove-bootstrap", stage.world.bootstrap)
        stage.on("bob", "devices")
        stage.on("bob", "devices", "revoke", "nobody")
        stage.on("bob", "devices", "revoke", machine_name())
        stage.on("bob", "devices", "add", "7-crossover-clockwork")
        stage.on("bob", "devices", "add", "garbage")
        stage.on("bob", "status")
        stage.on("bob", "doctor", trim=_findings, machine=True)
        stage.on("bob", "open")
        stage.on("ann", "open")
        secret = stage.directory / "right"
        stage.on("bob", "export", str(stage.directory / "out.onmeet"),
                 "--export-passphrase-file", str(secret))  # fmt: skip
        stage.on("bob", "export", str(stage.directory / "no" / "out.onmeet"),
                 "--export-passphrase-file", str(secret))  # fmt: skip


def _findings(line: Any) -> Any:
    """What an examination finds depends on the machine: the shape alone, once."""
    found = line["result"] if isinstance(line, dict) else line
    return {"result": shape(found)} if isinstance(line, dict) else shape(found)


def play_calls(stage: Stage) -> None:
    """Ann calls Bob with real media, Bob calls Ann, and one declines."""
    ann, bob = stage.world.nodes["ann"], stage.world.nodes["bob"]
    tap = stage.tap("ann")
    with stage.scene("calls"):
        seen: set[str] = set()

        def go_on(line: dict[str, Any]) -> None:
            """What others do meanwhile."""
            event = line.get("event")
            if event == "ringing" and line["ring"] == "alerting":
                bob.ask("take", headless={"source": "test"})
            elif event == "media":
                seen.add(line["kind"])
                if seen == {"audio", "video"}:
                    ann.ask("change-call", action="hang-up")

        tap.on_line = go_on
        stage.on("ann", "call", "Bobby", "--source", "test", events=True)
        tap.on_line = lambda _: None
        until(lambda: idle(ann, bob), "the call is over for both")
        stage.on("ann", "call", "Nobody", events=True)
        for command in ("answer", "decline", "hangup", "mute"):
            stage.on("ann", command)
        who = ann.ask("show-status")["identity"]

        call = stage.later("bob", "dial-and-follow", who=who, kinds=["audio", "video"],
                           headless={"source": "test"})  # fmt: skip
        until(lambda: call.told("ringing", ring="delivered"), "it rings")
        stage.on("ann", "status")
        stage.on("ann", "answer", "--source", "test", "--record", "/nowhere/at/all.mkv")
        stage.on("ann", "answer", "--source", "test")
        until(lambda: call.told("connected"), "connected")
        for kind in ("audio", "video"):
            until(lambda kind=kind: call.told("media", kind=kind), kind)
        until(lambda: len(ann.ask("show-status")["calls"][0]["streams"]) == 2, "streams")
        until(lambda: call.told("authenticated"), "there is a number to compare")
        stage.on("ann", "compared", "--same")
        until(lambda: call.told("compared", theirs=True), "compared")
        stage.on("ann", "mute", "--video")
        stage.on("ann", "mute")
        until(lambda: call.told("peer-media", muted=True, camera_off=True), "muted")
        stage.on("ann", "mute", "--off")
        stage.on("ann", "status", trim=_streams)
        stage.on("ann", "hangup")
        call.end(lambda lines: in_any_order([stage.normal.value(x) for x in lines]))

        until(lambda: idle(ann, bob), "the call is over for both")
        call = stage.later("bob", "dial-and-follow", who=who, kinds=["audio"], hang_up_after=5_000,
                           headless={"source": "none"})  # fmt: skip
        until(lambda: call.told("ringing", ring="delivered"), "it rings")
        stage.on("ann", "decline", "--note", "In a meeting")
        call.end(lambda lines: in_any_order([stage.normal.value(x) for x in lines]))


def idle(*nodes: Running) -> bool:
    """Whether none of these is in a call."""
    return not any(node.ask("show-status")["calls"] for node in nodes)


def _streams(line: Any) -> Any:
    """Counters, by kind."""
    for call in (line.get("result") or line)["calls"]:
        call["streams"].sort(key=lambda stream: stream["kind"])
    return line


def whole(node: Running, people: int) -> bool:
    """Whether so many are in the node's one room, and media flows both ways with each."""
    rooms = node.ask("list-rooms")["rooms"]
    return (
        len(rooms) == 1
        and len(rooms[0]["people"]) == people
        and rooms[0]["string"] is not None
        and all(p["here"] and p["media"] and p["seen"] for p in rooms[0]["people"])
    )


def play_rooms(stage: Stage) -> None:
    """A standing meeting that Bob joins by its code; then a room at whose door he knocks."""
    ann, bob = stage.world.nodes["ann"], stage.world.nodes["bob"]
    with stage.scene("rooms"):
        stage.on("ann", "room", "list")
        stage.on("ann", "room", "hand")
        stage.on("ann", "room", "create", "--standing")
        made = stage.on("ann", "room", "create", "Weekly", "--standing", *QUIET)[0]
        stage.on("ann", "room", "create", "Weekly", "--standing", *QUIET)
        stage.on("bob", "room", "join", "onmeet-room:nonsense")
        stage.on("bob", "room", "join", made["code"], *QUIET)
        until(lambda: whole(ann, 2) and whole(bob, 2), "both are in")
        for name in ("ann", "bob"):
            stage.on(name, "room", "list")
        stage.on("bob", "room", "hand")
        until(lambda: ann.ask("list-rooms")["rooms"][0]["people"][1]["hand"], "the hand")
        stage.on("ann", "room", "list")
        stage.on("bob", "room", "hand", "--down")
        until(lambda: not ann.ask("list-rooms")["rooms"][0]["people"][1]["hand"], "the hand")
        stage.on("ann", "room", "look", "large")
        stage.on("ann", "room", "look", "none", "--who", "Bob")
        stage.on("ann", "room", "look", "small", "--who", "Nobody")
        stage.on("ann", "room", "react", "👏")
        stage.on("ann", "room", "say", "Hello, all")
        stage.on("ann", "room", "say", "Hello, you", "--to", "Bob")
        stage.on("ann", "room", "mute")
        stage.on("ann", "room", "mute", "--off")
        stage.on("ann", "room", "mute", "--video")
        stage.on("ann", "room", "lock")
        stage.on("ann", "room", "lock", "--off")
        for command in ("promote", "demote", "ask-mute", "hide", "show"):
            stage.on("ann", "room", command, "Bob")
            if command in {"promote", "demote"}:
                role = "co-host" if command == "promote" else "member"
                until(lambda role=role: bob.ask("list-rooms")["rooms"][0]["role"] == role, role)
        stage.on("bob", "room", "lock")
        stage.on("bob", "room", "link")
        stage.on("ann", "room", "link")
        stage.on("ann", "room", "invite", "Bobby")
        stage.on("ann", "room", "remove", "Bob")
        until(lambda: not bob.ask("list-rooms")["rooms"], "Bob is out")

        stage.on("ann", "room", "create", "Team", "--require-knock", "--name", "A.", *QUIET)
        stage.on("ann", "room", "hand")
        stage.on("ann", "room", "end", "--room", "Weekly")
        stage.on("ann", "room", "code", "Weekly")
        plan = ("room", "plan", "Weekly", "--start", "2030-01-02 10:00", "--minutes", "30")
        stage.on("ann", *plan, "--repeats", "weekly", "--output", "-", trim=_unfolded)
        stage.on("ann", *plan, "--no-guests", "--output", str(stage.directory / "w.ics"),
                 trim=_unfolded)  # fmt: skip
        stage.on("ann", "room", "forget", "Weekly")
        stage.on("ann", "room", "forget", "Weekly")
        for answer in ("deny", "admit"):
            stage.on("ann", "room", "invite", "Bobby")
            until(lambda: any(i["title"] == "Team" for i in bob.ask("list-rooms")["invitations"]),
                  "invited")  # fmt: skip
            stage.on("bob", "room", "list")
            join = stage.later("bob", "join-room", room="Team", kinds=["audio"], inside=True,
                               headless={"source": "none"})  # fmt: skip
            until(lambda: ann.ask("list-rooms")["rooms"][0]["knocking"], "Bob knocks")
            stage.on("ann", "room", "list")
            stage.on("ann", "room", answer)
            join.end(stage.normal.value)
        until(lambda: whole(ann, 2) and whole(bob, 2), "both are in")
        stage.on("ann", "room", "list")
        stage.on("bob", "room", "leave")
        until(lambda: len(ann.ask("list-rooms")["rooms"][0]["people"]) == 1, "Bob left")
        stage.on("ann", "room", "admit")
        stage.on("ann", "room", "end")
        stage.on("bob", "room", "join", "Team")


QUIET = ("--source", "none", "--audio-only")


def _unfolded(line: Any) -> Any:
    """Lines of a calendar's file as they are meant."""
    from tests.control.normal import calendar

    made = line.get("result", line)
    if "calendar" in made:
        made["calendar"] = calendar(made["calendar"])
    return line


def play_guests(stage: Stage) -> None:
    """Links are made; one guest is sent away, another let in, into a call with real media."""
    ann = stage.world.nodes["ann"]
    with stage.scene("guests"):
        stage.on("ann", "invite", "list")
        stage.on("ann", "guests")
        for command in ("admit", "deny"):
            stage.on("ann", command, "Nobody")
        stage.on("bob", "invite", "--expires", "1y")
        one = stage.on("ann", "invite", "--name", "Tuesday", "--expires", "2h", "--qr",
                       "--email-snippet")[0]  # fmt: skip
        two = stage.on("ann", "invite", "--room", "--let-in", "--expires", "never")[0]
        until(lambda: all(link["open"] for link in ann.ask("list-links")), "doors are open")
        stage.on("ann", "invite", "list")
        gerda = stage.guests["Gerda"]
        gerda.give(one["url"])
        gerda.wait("waiting")
        until(lambda: ann.ask("list-guests"), "Gerda knocks")
        stage.on("ann", "guests")
        stage.on("ann", "deny", "--close-link")
        told(stage, gerda)
        three = stage.on("ann", "invite", "--name", "Friday")[0]
        until(lambda: all(link["open"] for link in ann.ask("list-links")), "doors are open")
        paul = stage.guests["Paul"]
        paul.give(three["url"])
        paul.wait("waiting")
        until(lambda: ann.ask("list-guests"), "Paul knocks")
        stage.on("ann", "admit", "Paul", "--source", "test")
        for kind in ("audio", "video"):
            paul.wait("media", kind=kind)
        call = ann.ask("show-status")["calls"][0]["call"]
        ann.ask("change-call", call=call, action="hang-up")
        told(stage, paul)
        until(
            lambda: not ann.ask("list-guests") and not ann.ask("show-status")["calls"],
            "Paul is gone",
        )
        stage.on("ann", "invite", "close", two["link"])
        stage.on("ann", "invite", "close", two["link"])
        stage.type.alone("guest-page", "verify", two["url"].partition("#")[0], trim=_same)
        del stage.steps[-1]["exit"]  # as the page is built here


def told(stage: Stage, guest: Lines) -> None:
    """What a guest was told, from the link to the end."""
    code = guest.to_end()
    lines = in_any_order([stage.normal.value(line) for line in guest.all])
    stage.record({"command": "onmeet join -", "told": lines, "exit": code})


def _same(found: Any) -> Any:
    """What is said of each file of the page: here it may be built anew meanwhile."""
    keys = {tuple(one) for one in found}
    assert len(keys) == 1
    return {"keys": list(keys.pop())}


def play_history(stage: Stage) -> None:
    """What is left of the calls."""
    ann = stage.world.nodes["ann"]
    with stage.scene("history"):
        until(lambda: ann.ask("read-history")[0]["receipts"], "a receipt for the guest's call")
        stage.on("ann", "history", trim=_reports)
        stage.on("ann", "history", "--verbose", "--limit", "2", trim=_reports, words=_pairs)
        call = ann.ask("read-history")[0]["call"]
        stage.on("ann", "history", "--delete", "ffffffffffff")
        stage.on("ann", "history", "--delete", call)
        stage.on("ann", "history", "--delete", "all")
        stage.on("ann", "history")


def _reports(line: Any) -> Any:
    """What ICE found depends on the machine: one of each."""
    for call in line["result"] if isinstance(line, dict) else line:
        if call["report"] is not None:
            call["report"] = shape(call["report"])
        if call["receipts"]:
            call["receipts"] = shape(call["receipts"])
    return line


def _pairs(lines: list[str]) -> list[str]:
    """Candidates and pairs of a call depend on the machine."""
    seen = (" ↔ ", "  ours  ", "  theirs  ", "  server ")
    return [line for line in lines if not any(mark in line for mark in seen)]
