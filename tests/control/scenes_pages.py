"""Every request of pages, and all that pages are told."""

from __future__ import annotations

import base64
from typing import Any

from tests.control.nodes import until
from tests.control.pages import Page
from tests.control.scenes_commands import told
from tests.control.stage import Stage

BOTH = ["audio", "video"]
PICTURE = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcp"
    "LDAxNDQ0Hyc5PTgyPC4zNDL/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAA"
    "AAD/2gAIAQEAAD8AKp//2Q=="
)


def play_people(stage: Stage) -> None:
    """Ann asks Cleo by a code; they are contacts then. Profiles, codes, settings."""
    with stage.scene("page people"), stage.page("ann") as ann, stage.page("cleo") as cleo:
        cleo.ask("new-code", label="web", days=7, direct=True)
        cleo.ask("new-code", label="web")
        codes = cleo.shows("people", lambda p: len(p["codes"]) == 2)["codes"]
        ann.ask("read-code", code=codes[0]["uri"])
        ann.ask("read-code", code="onmeet:nonsense")
        ann.ask("draw-qr", text=codes[0]["uri"])
        cleo.ask("add-contact", code=codes[0]["uri"])
        added = ann.ask("add-contact", code=codes[0]["uri"], name="Cleopatra", note="It is Ann")
        news = cleo.shows("news", lambda n: n["what"] == "contact-request")
        cleo.shows("people", _connected(1))
        cleo.ask("change-person", who=news["identity"], action="accept")
        cleo.ask("change-person", who="00" * 32, action="accept")
        ann.shows("news", lambda n: n["what"] == "contact-accepted")
        them = added["identity"]
        ann.shows("people", lambda p: _one(p, them)["status"] == "accepted")
        for action in ("favourite", "no-favourite", "mark-verified", "favourite"):
            ann.ask("change-person", who=them, action=action)
        ann.ask("rename-person", who=them, name="Cleo P.")
        ann.ask("look-for", who=them)
        ann.ask("look-for", who="00" * 32)
        ann.ask("verify", who=them)
        ann.ask("verify", who="00" * 32)
        ann.ask("show-to", who=them, name="phone", shown=True)
        ann.ask("show-to", who="00" * 32, name="phone", shown=True)
        ann.ask("change-profile", picture_share="everyone", reach="anyone", busy="hide", fields=[
            {"name": "name", "value": "Ann A.", "share": "everyone"},
            {"name": "country", "value": "CA", "share": "contacts"},
            {"name": "phone", "value": "+1 514 1", "share": "nobody"},
            {"name": "email", "value": "", "share": "nobody"},
        ])  # fmt: skip
        ann.ask("change-profile", fields=[{"name": "country", "value": "Can", "share": "nobody"}])
        ann.ask("set-picture", data=PICTURE)
        ann.ask("set-picture", data=b"<svg/>")
        mine = ann.shows("me", lambda me: me["picture"])
        ann.ask("get-picture", picture=mine["picture"])
        ann.ask("get-picture", picture="00" * 16)
        card = {"name": "Ann A.", "country": "CA", "phone": "+1 514 1", "email": None}
        cleo.shows("people", lambda p: _one(p, news["identity"])["card"] == card
                   and _one(p, news["identity"])["picture"])  # fmt: skip
        ann.shows("people", lambda p: _one(p, them)["verified"])
        ann.ask("set-picture")
        ann.ask("change-settings", region="de")
        ann.ask("change-settings", region="any", add_bootstrap="example.org")
        ann.ask("change-settings", region="any", relay_only=False)
        ann.ask("change-settings", add_bootstrap=stage.world.bootstrap)
        ann.shows("me", lambda me: me["bootstraps"] and not me["relay_only"])
        ann.ask("change-settings", remove_bootstrap=stage.world.bootstrap)
        ann.ask("examine")
        cleo.ask("revoke-code", label="web", drop=True)
        cleo.ask("revoke-code", label="web", drop=True)
        for action in ("ignore", "block", "unblock", "remove"):
            cleo.ask("change-person", who="00" * 32, action=action)


def _one(people: dict[str, Any], identity: str) -> dict[str, Any]:
    return next((p for p in people["people"] if p["identity"] == identity), EMPTY)


EMPTY = {"status": "", "card": {}, "picture": None, "verified": False}


def _connected(count: int) -> Any:
    return lambda people: [p["connected"] for p in people["people"]].count(True) >= count


def play_calls(stage: Stage) -> None:
    """Ann dials Cleo, both in pages; then calls that come to nothing."""
    with stage.scene("page calls"), stage.page("ann") as ann, stage.page("cleo") as cleo:
        people = ann.shows("people", lambda p: p["people"], quiet=True)["people"]
        them = next(p["identity"] for p in people if p["name"] == "Cleo P.")
        until(lambda: ann.looks_for(them), "Cleo is found")
        for page in (ann, cleo):
            page.say("focus")
        cleo.say("noticeable", noticeable=True)
        nobody = ann.ask("dial", who="00" * 32, kinds=["audio"])["call"]
        ann.shows("over", lambda o: o["call"] == nobody)
        call = ann.ask("dial", who=them, kinds=BOTH)["call"]
        ann.shows("calls", lambda c: c["calls"] and c["calls"][0]["ring"] == "alerting")
        cleo.shows("calls", lambda c: c["calls"] and c["calls"][0]["session"])
        cleo.ask("change-call", call=call, action="silence")
        ann.shows("calls", lambda c: c["calls"][0]["ring"] == "silenced", quiet=True)
        before = {page: page.last_session() for page in (ann, cleo)}
        cleo.ask("take", call=call, kinds=BOTH)
        cleo.ask("take", call=call, kinds=BOTH)
        for page in (ann, cleo):  # prepared for any page, and opened anew in the one that took it
            until(lambda page=page: page.last_session() > before[page], "its own media")
            page.shows("calls", _on_newest(page))
        ann.ask("compare-string", call=call, same=True)
        cleo.shows("calls", lambda c: c["calls"][0]["peer_compared"])
        cleo.ask("compare-string", call=call, same=True)
        ann.shows("calls", lambda c: c["calls"][0]["peer_compared"])
        ann.shows("people", _verified(them), quiet=True)
        ann.say("tell-media", call=call, muted=True, camera_off=False, sharing=True)
        cleo.shows("calls", _peer(muted=True, camera_off=False, sharing=True))
        ann.say("keep", target=call, muted=True, draft="To be", camera="cam-1")
        with stage.page("ann") as other:
            other.shows("kept")
            other.ask("change-call", call=call, action="move-here")
            other.shows("calls", _on_newest(other))
            other.record_media("open-media", "make-offer", "take-answer", "take-candidates",
                               "attach-media")  # fmt: skip
            stage.on("ann", "mute", "--video")
            other.record_media("mute-media")
            ann.ask("change-call", call=call, action="move-here")
            ann.shows("calls", _on_newest(ann), quiet=True)
        ann.ask("change-call", call=call, action="restart-media")
        before = cleo.last_session()
        cleo.media("media-path-lost", session=before)
        until(lambda: cleo.last_session() > before, "a media re-offer")
        cleo.shows("calls", _on_newest(cleo), quiet=True)
        cleo.ask("change-call", call=call, action="hang-up")
        for page in (ann, cleo):
            page.shows("over", lambda o: o["call"] == call)
            page.shows("calls", lambda c: not c["calls"])
        ann.record_media("open-media", "make-offer", "take-answer", "take-candidates",
                         "attach-media", "close-media")  # fmt: skip
        cleo.record_media("open-media", "take-offer", "take-candidates", "attach-media",
                          "close-media")  # fmt: skip
        ann.ask("change-call", call=call, action="hang-up")
        ann.say("keep", target=call, muted=True)

        call = ann.ask("dial", who=them, kinds=["audio"], relay_only=True)["call"]
        for page in (ann, cleo):  # media are prepared while it rings
            page.connected_to_node()
        cleo.ask("change-call", call=call, action="decline", note="In a meeting")
        ann.shows("over", lambda o: o["call"] == call)

        call = ann.ask("dial", who=them, kinds=["audio"])["call"]
        cleo.shows("calls", lambda c: c["calls"] and c["calls"][0]["session"], quiet=True)
        cleo.ask("take", call=call, kinds=["audio"])
        ann.shows("calls", lambda c: c["calls"] and c["calls"][0]["state"] == "connected",
                  quiet=True)  # fmt: skip
        ann.ask("change-call", call=call, action="hang-up")
        ann.shows("calls", lambda c: not c["calls"], quiet=True)
        ann.media("media-failed", session=ann.last_session(), why="It is late, and ignored.")
        ann.record_media()
        until(
            lambda: len(stage.world.nodes["ann"].ask("read-history")) == 4, "all are written down"
        )
        past = ann.ask("read-history", limit=10)["calls"]
        ann.ask("delete-history", call="ff" * 16)
        ann.ask("delete-history", call=past[0]["call"])
        ann.ask("delete-history")
        ann.ask("read-history")


def _verified(who: str) -> Any:
    return lambda people: (
        [one["verified"] for one in people["people"] if one["identity"] == who] == [True]
    )


def _peer(**media: bool) -> Any:
    return lambda calls: calls["calls"] and calls["calls"][0]["peer_media"] == media


def _on_newest(page: Page) -> Any:
    """Whether the one call is on the media that this page opened last."""

    def wanted(calls: dict[str, Any]) -> bool:
        welcome = page.newest("welcome")
        assert welcome is not None
        return len(calls["calls"]) == 1 and all(
            call["state"] == "connected"
            and call["sas"]
            and (call["page"], call["session"]) == (welcome["page"], page.last_session())
            for call in calls["calls"]
        )

    return wanted


def play_rooms(stage: Stage) -> None:
    """Ann's room; Cleo knocks, is in, and is sent out. A guest is carried."""
    with stage.scene("page rooms"), stage.page("ann") as ann, stage.page("cleo") as cleo:
        people = ann.shows("people", lambda p: p["people"], quiet=True)["people"]
        them = next(p["identity"] for p in people if p["name"] == "Cleo P.")
        made = ann.ask("new-room", title="Team", knock=True, kinds=BOTH)
        room = made["room"]
        ann.shows("rooms", lambda r: len(r["rooms"]) == 1)
        ann.ask("plan-meeting", title="Weekly", start=1_900_000_000, minutes=45, repeats="weekly",
                zone="Europe/Berlin", guests=True)  # fmt: skip
        ann.ask("plan-meeting", title="", start=1_900_000_000, minutes=45)
        ann.shows("rooms", lambda r: r["meetings"])
        ann.ask("forget-meeting", title="Weekly")
        ann.ask("forget-meeting", title="Weekly")
        ann.ask("invite-to-room", room=room, who=them)
        ann.ask("invite-to-room", room="00" * 16, who=them)
        cleo.shows("rooms", lambda r: r["invitations"])
        cleo.ask("dismiss-invitation", room=room)
        cleo.shows("rooms", lambda r: not r["invitations"], quiet=True)
        cleo.ask("join-room", room=room, kinds=BOTH)
        cleo.ask("join-room", code="onmeet-room:nonsense", kinds=BOTH)
        ann.ask("invite-to-room", room=room, who=them)
        cleo.shows("rooms", lambda r: r["invitations"], quiet=True)
        cleo.ask("join-room", room=room, kinds=BOTH)
        knocker = ann.shows("rooms", lambda r: r["rooms"][0]["knocking"])["rooms"][0]["knocking"]
        cleo.shows("rooms", lambda r: r["rooms"])
        ann.ask("change-seat", room=room, key="00" * 32, action="admit")
        ann.ask("change-seat", room=room, key=knocker[0]["key"], action="admit")
        mine = ann.shows("rooms", _whole(2))["rooms"][0]["people"]
        cleo.shows("rooms", _whole(2))
        key = next(p["key"] for p in mine if not p["me"])
        for action in ("lock", "unlock", "raise-hand", "lower-hand"):
            ann.ask("change-room", room=room, action=action)
        ann.ask("say-in-room", room=room, text="Hello, all")
        ann.ask("say-in-room", room=room, text="Hello, you", to=key)
        ann.ask("say-in-room", room=room, text="Hello?", to="00" * 32)
        for page in (ann, cleo):
            page.shows("room-line", lambda line: line["text"] == "Hello, all")
            page.shows("room-line", lambda line: line["text"] == "Hello, you")
        ann.say("react-in-room", room=room, emoji="👏")
        cleo.shows("room-reaction")
        ann.say("look-at", room=room, key=key, size="large")
        for action in ("ask-mute", "promote", "demote", "hide", "show"):
            ann.ask("change-seat", room=room, key=key, action=action)
            role = {"promote": "co-host", "demote": "member"}.get(action)
            if role is not None:
                cleo.shows("rooms", lambda r, role=role: r["rooms"][0]["role"] == role, quiet=True)
        cleo.shows("room-mute-asked")
        cleo.ask("change-room", room=room, action="end")
        link = ann.ask("link-to-room", room=room)["url"]
        ann.ask("link-to-room", room="00" * 16)
        cleo.ask("change-room", room=room, action="move-here")
        for page in (ann, cleo):
            page.record_media("open-media", "attach-media", "shape-media")
        cleo.record_media()
        ann.ask("change-seat", room=room, key=key, action="remove")
        cleo.shows("room-over")
        cleo.shows("rooms", lambda r: not r["rooms"])
        play_room_guest(stage, ann, room, link)
        ann.ask("change-room", room=room, action="leave")
        ann.shows("room-over")
        made = ann.ask("new-room", title="Late", standing=True, kinds=["audio"])
        ann.shows("rooms", lambda r: r["rooms"] and r["rooms"][0]["code"])
        ann.ask("change-room", room=made["room"], action="end")
        ann.ask("change-room", room=made["room"], action="end")


def play_room_guest(stage: Stage, ann: Page, room: str, link: str) -> None:
    """A guest at the door of the room, whose channels would be carried beside the media."""
    ann.silent = True  # its descriptions are none that real media could take
    otto = stage.guests["Otto"]
    otto.give(link)
    otto.wait("door")
    shown = ann.shows("rooms", lambda r: r["rooms"][0]["knocking"])
    knocker = shown["rooms"][0]["knocking"][0]["key"]
    before = ann.last_session()
    ann.ask("change-seat", room=room, key=knocker, action="admit")
    until(lambda: ann.last_session() > before, "media with the guest")
    # The first message of a handshake: an ephemeral key, which may be any.
    frame = bytes(4) + (32).to_bytes(2, "big") + bytes([9]) + bytes(31)
    ann.media("carried", session=ann.last_session(), data=frame)
    ann.record_media()
    ann.ask("change-seat", room=room, key=knocker, action="remove")
    ann.shows("rooms", lambda r: len(r["rooms"][0]["people"]) == 1)


def play_devices(stage: Stage) -> None:
    """The devices of a person, and what is wrong with codes and names of some."""
    with stage.scene("page devices"), stage.page("ann") as ann:
        ann.ask("list-devices")
        ann.ask("revoke-device", device="nobody")
        ann.ask("add-device", code="garbage")
        ann.ask("confirm-device", yes=True)


def play_guests(stage: Stage) -> None:
    """A link, a guest who knocks at it, is let in, and sent away."""
    with stage.scene("page guests"), stage.page("ann") as ann:
        made = ann.ask("new-link", title="Tuesday", seconds=7_200, once=False)
        ann.ask("new-link", knock=False)
        shown = ann.shows("guests", lambda g: [x["open"] for x in g["links"]] == [True, True])
        url = next(x["url"] for x in shown["links"] if x["link"] == made["link"])
        ann.ask("admit-guest", guest="00" * 32, kinds=BOTH)
        ann.ask("send-guest-away", guest="00" * 32)
        ann.silent = True  # its descriptions are none that real media could take
        nina = stage.guests["Nina"]
        nina.give(url)
        nina.wait("waiting")
        who = ann.shows("guests", lambda g: g["guests"])["guests"][0]["guest"]
        ann.ask("admit-guest", guest=who, kinds=BOTH)
        ann.shows("guests", lambda g: g["guests"] and g["guests"][0]["inside"])
        ann.shows("calls", lambda c: c["calls"] and c["calls"][0]["session"])
        ann.ask("send-guest-away", guest=who, close_link=True)
        ann.shows("over")
        told(stage, nina)
        ann.ask("change-settings", relay_only=True)
        ann.ask("change-settings", relay_only=False)
        ann.ask("close-link", link=made["link"])
        other = next(x["link"] for x in shown["links"] if x["link"] != made["link"])
        ann.ask("close-link", link=other)
        ann.shows("guests", lambda g: not g["links"] and not g["guests"])


def play_end(stage: Stage) -> None:
    """A call whose other end dies; homes that are deleted, nodes that are stopped."""
    with stage.scene("end"), stage.page("ann") as ann, stage.page("cleo") as cleo:
        strange = b'{"do": "show-status", "x": 1}'
        for request in (b"garbage", b"{}", b"[]", b'{"do": "fly"}', strange, b"x" * 70_000):
            stage.raw("ann", request)
        people = ann.shows("people", lambda p: p["people"], quiet=True)["people"]
        them = next(p["identity"] for p in people if p["name"] == "Cleo P.")
        call = ann.ask("dial", who=them, kinds=["audio"])["call"]
        cleo.shows("calls", lambda c: c["calls"] and c["calls"][0]["session"], quiet=True)
        cleo.ask("take", call=call, kinds=["audio"])
        ann.shows("calls", lambda c: c["calls"] and c["calls"][0]["state"] == "connected",
                  quiet=True)  # fmt: skip
        stage.world.nodes["cleo"].lines.process.kill()
        ann.record_media("suspect-media")
        ann.ask("change-call", call=call, action="hang-up")
        ann.shows("over", lambda o: o["call"] == call)
        ann.ask("let-in", asking="0000", let_in=True)
        ann.ask("delete-everything", name="Nobody")
        ann.ask("delete-everything", name="Ann A.")
        ann.shows("home", lambda home: home["phase"] == "stopped")
        stage.record({"at": "ann", "exit": stage.world.nodes["ann"].lines.to_end(),
                      "home": (stage.directory / "ann" / "home.json").exists()})  # fmt: skip
        stage.raw("bob", b'{"do": "stop"}')
        stage.record({"at": "bob", "exit": stage.world.nodes["bob"].lines.to_end()})


def _whole(count: int) -> Any:
    def wanted(rooms: dict[str, Any]) -> bool:
        if len(rooms["rooms"]) != 1 or len(rooms["rooms"][0]["people"]) != count:
            return False
        one = rooms["rooms"][0]
        return bool(one["string"]) and all(
            p["here"] and p["media"] and p["seen"] and (p["me"] or p["path"]) for p in one["people"]
        )

    return wanted
