// A guest in a room: comes in, talks with everybody, and stays whatever happens to the host.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedError } from "../src/node/client.js";
import type { Bytes } from "../src/protocol/bytes.js";
import { commitment } from "../src/protocol/room-authentication.js";
import { unhex } from "../src/protocol/room-messages.js";
import { hex } from "../src/protocol/guest-messages.js";
import { calm, Member, ROOM, SDP, until, World } from "./room-world.js";

const room = hex(ROOM);

test("a guest knocks with a name, is told what came of it, and comes in", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).arrive();
  const [knock] = world.host.of("room-knock");
  assert.deepEqual([knock!["name"], knock!["video"]], ["Gerda", true]);
  world.host.say({ t: "wait", state: "shown" });
  await until(() => world.stages.length > 0);
  assert.deepEqual(world.stages, [{ at: "knocking", state: "shown" }]);
  assert.equal(world.shown, null);
  world.host.say(world.host.sign(world.body()));
  await until(() => world.shown !== null);
  assert.deepEqual(world.stages.at(-1), { at: "in" });
  assert.deepEqual(world.shown!.people.map((one) => [one.name, one.role, one.me]), [
    ["Hedda", "host", false],
    ["Alice", "member", false],
    ["Gerda", "guest", true],
  ]);
  assert.deepEqual([world.shown!.title, world.shown!.role, world.shown!.page], ["Tuesday", "guest", 1]);
  world.visit.leave();
});

test("the room's string is there when everybody has committed to a nonce, and then shown it", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).enter();
  const [hedda, alice] = world.members as [Member, Member];
  const told = () => world.host.of("here").at(-1)!;
  await until(() => world.person(alice)!.here && world.host.of("here").length > 0);
  assert.equal((told()["commitment"] as Uint8Array).length, 32);
  hedda.commit(1);
  alice.commit(2);
  await calm();
  await world.pass(500);
  const { nonce, commitment: committed } = told() as Record<string, Bytes>;
  assert.deepEqual(commitment(world.digest, world.guestId, nonce!), committed);
  assert.equal(world.shown!.string, null, "nobody has shown theirs");
  hedda.commit(1, true);
  alice.commit(2, true);
  await until(() => world.shown!.string !== null);
  assert.match(world.shown!.string!, /^\d{4} \d{4} \d{4}$/);
  const before = world.shown!.string;
  world.host.say(world.host.sign(world.body({ locked: true })));
  await until(() => world.shown!.locked);
  assert.equal(world.shown!.string, null, "a number is of one roster");
  hedda.commit(1, true);
  alice.commit(2, true);
  await until(() => world.shown!.string !== null);
  assert.notEqual(world.shown!.string, before);
  world.visit.leave();
});

test("before all have committed no nonce is shown, and what was committed to first counts", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).enter();
  const [hedda, alice] = world.members as [Member, Member];
  await until(() => world.person(alice)!.here);
  hedda.commit(1, true);
  await calm();
  await world.pass(500);
  assert.equal(world.host.of("here").at(-1)!["nonce"], null);
  alice.commit(2);
  await calm();
  await world.pass(500);
  assert.notEqual(world.host.of("here").at(-1)!["nonce"], null);
  alice.commit(3, true); // another, now that she knows ours
  await calm();
  assert.equal(world.shown!.string, null);
  alice.commit(2, true);
  await until(() => world.shown!.string !== null);
  world.visit.leave();
});

test("it has a channel and a call with everybody, and tells them what it sees", async () => {
  const world = await (await World.make(["Hedda", "Alice", "Bob"])).talk();
  for (const member of world.members) {
    const [invite] = member.of("invite");
    assert.equal(invite!["sdp"], SDP("AA"));
    assert.deepEqual([world.person(member)!.here, world.person(member)!.path], [true, "host"]);
  }
  assert.deepEqual(world.members.map((one) => one.by), ["line", "pipe", "pipe"]);
  const opened = world.asked("open-media").map((one) => one.t === "open-media" && [one.room, one.carry, one.relay_only, one.servers.length]);
  assert.deepEqual(opened, [[room, true, false, 1], [room, true, false, 1], [room, true, false, 1]]);
  await world.pass(500);
  const here = world.host.of("here").at(-1)!;
  assert.deepEqual(here["sees"], world.members.map((one) => one.id).sort());
  assert.deepEqual([here["host"], here["keeper"], here["version"]], [true, world.host.id, 1]);
  world.members[1]!.say({ t: "here", sees: [unhex(world.guestId)], host: true, hand: true });
  await until(() => world.person(world.members[1]!)!.seen);
  assert.equal(world.person(world.members[1]!)!.hand, true);
  world.visit.leave();
  await until(() => world.members.every((one) => one.of("room-leave").length === 1 && one.of("hangup").length === 1));
  assert.equal(world.finished?.at === "over" && world.finished.reason, "left");
});

test("nobody is dialled before credentials are lent, or three seconds are over", async () => {
  const world = await (await World.make(["Hedda"])).arrive();
  world.host.say(world.host.sign(world.body()));
  await until(() => world.shown !== null);
  await world.pass(2_900);
  assert.equal(world.host.of("invite").length, 0);
  await world.pass(200);
  await until(() => world.host.of("invite").length === 1);
  world.visit.leave();
});

for (const [reason, end] of [["full", "full"], ["link-closed", "locked"], ["denied", "denied"], ["no-answer", "no-answer"]])
  test(`who is not let in (${reason}) is told why`, async () => {
    const world = await (await World.make(["Hedda"])).arrive();
    world.host.say({ t: "deny", reason });
    await until(() => world.finished !== null);
    assert.deepEqual(world.finished, { at: "denied", reason: end });
  });

test("a knock that nobody answers is given up after two minutes", async () => {
  const world = await (await World.make(["Hedda"])).arrive();
  world.host.channel!.look();
  for (let step = 0; step < 12; step++) {
    world.host.say({ t: "ping", n: step });
    await world.pass(10_000);
  }
  await world.pass(1_000);
  assert.deepEqual(world.finished, { at: "denied", reason: "no-answer" });
});

test("who is sent out is out, and who ends the room ends it for all", async () => {
  for (const [change, reason] of [[{ removed: true }, "removed"], [{ ended: true }, "ended"]] as const) {
    const world = await (await World.make(["Hedda", "Alice"])).talk();
    const body = world.body();
    const seats = (body["seats"] as { role: string }[]).filter((seat) => !("removed" in change) || seat.role !== "guest");
    const removed = "removed" in change ? [unhex(world.guestId)] : [];
    world.host.say(world.host.sign({ ...body, seats, removed, ended: "ended" in change }));
    await until(() => world.finished !== null);
    assert.equal(world.finished?.at === "over" && world.finished.reason, reason);
    assert.equal(world.asked("close-media").length, 2);
  }
});

test("who was sent out and has not heard it is told by whoever knows", async () => {
  const world = await (await World.make(["Hedda", "Alice", "guest two"])).talk();
  const [host, alice, gone] = world.members as [Member, Member, Member];
  const body = world.body({ removed: [gone.key.publicKey] });
  const seats = (body["seats"] as { name: string }[]).filter((seat) => seat.name !== "guest two");
  host.say(host.sign({ ...body, seats }));
  await until(() => gone.of("roster").length === 1 && gone.ended !== null);
  assert.equal(gone.of("hangup").length, 1);
  assert.deepEqual([alice.of("roster").length, world.shown!.people.length], [0, 3]);
  world.visit.leave();
});

test("when the host dies, media goes on, channels go beside it, and whoever claims its place is followed", async () => {
  const world = await (await World.make(["Hedda", "Alice", "Bob"])).talk();
  const [host, alice, bob] = world.members as [Member, Member, Member];
  const before = [alice.number, bob.number];
  host.alive = false;
  world.dropLine();
  await world.pass(700);
  await until(() => alice.by === "media" && alice.opened === 2 && bob.by === "media", "channels beside the media");
  assert.deepEqual([alice.number, bob.number], before.map((number) => number + 1));
  world.host = alice;
  const claim: Record<string, unknown> = { ...world.body({ claims: 1, term: 1, version: 0 }), host: alice.key.publicKey };
  const seats = (claim["seats"] as { key: Uint8Array; role: string }[]).map((seat) => ({
    ...seat,
    role: hex(seat.key) === alice.id ? "host" : seat.role === "host" ? "co-host" : seat.role,
  }));
  alice.say(alice.sign({ ...claim, seats }));
  await calm();
  assert.equal(world.person(alice)!.role, "member", "not before it is lost for good");
  await world.pass(2_000);
  assert.equal(world.person(alice)!.role, "host");
  assert.deepEqual(world.asked("close-media"), []);
  assert.ok(world.person(bob)!.media && world.person(bob)!.here);
  world.visit.leave();
  await until(() => bob.of("room-leave").length === 1 && bob.of("hangup").length === 1);
  assert.deepEqual([world.ends, world.asked("close-media")], [[], []], "last words beside the media are waited for");
  await world.pass(300);
  assert.deepEqual([world.ends, world.asked("close-media").length], [["left"], 3]);
});

test("a host that goes and names another is followed at once", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).talk();
  const [host, alice] = world.members as [Member, Member];
  world.host = alice;
  const named = world.body({ term: 1, version: 0 }, alice);
  const seats = (named["seats"] as { order: number }[]).map((seat) => ({ ...seat, order: seat.order + 1 }));
  host.say(host.sign({ ...named, seats }));
  host.say({ t: "room-leave" });
  await until(() => world.person(alice)?.role === "host");
  assert.equal(world.person(host), undefined);
  world.visit.leave();
});

test("whoever reaches nobody any more has lost the meeting", async () => {
  const world = await (await World.make(["Hedda"])).talk();
  world.host.alive = false;
  world.dropLine();
  await world.pass(30_000);
  assert.deepEqual(world.ends, []);
  await world.pass(40_000);
  assert.deepEqual(world.ends, ["lost"]);
});

test("when the host passes nothing on any more, channels go beside the media", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).talk();
  const alice = world.members[1]!;
  world.passes = false;
  for (let step = 0; step < 9; step++) {
    world.host.say({ t: "ping", n: step });
    await world.pass(2_000);
  }
  await until(() => alice.by === "media" && world.person(alice)!.here);
  assert.deepEqual(world.asked("close-media"), []);
  world.visit.leave();
});

test("without a channel with the host, a member passes frames on", async () => {
  const world = await (await World.make(["Hedda", "Alice", "Bob"])).talk();
  const [host, alice, bob] = world.members as [Member, Member, Member];
  host.alive = false;
  world.dropLine();
  await world.pass(700);
  await until(() => alice.by === "media" && bob.by === "media");
  world.carrier = alice;
  world.connects = false;
  world.visit.tell({ t: "media-path-lost", session: world.person(bob)!.session! });
  await world.pass(600);
  await until(() => bob.by === "pipe" && world.person(bob)!.here, "frames by Alice");
  world.visit.leave();
});

test("the last word is read though the line goes with it", async () => {
  const world = await (await World.make(["Hedda"])).enter();
  world.host.say(world.host.sign(world.body({ ended: true })));
  world.dropLine();
  await until(() => world.finished !== null, "the end");
  assert.deepEqual({ at: world.finished!.at, reason: "reason" in world.finished! && world.finished.reason }, { at: "over", reason: "ended" });
});

test("a line that broke is opened anew, with the key that has the seat", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).talk();
  world.dropLine();
  await world.pass(600);
  assert.equal(world.linesOpened, 1);
  await until(() => world.host.by === "media" && world.host.opened === 2);
  world.openLine();
  await until(() => world.host.by === "line" && world.host.opened === 3);
  await until(() => world.person(world.host)!.here);
  assert.equal(world.finished, null);
  world.visit.leave();
});

test("forged and old rosters change nothing, and one that differs is told", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).enter();
  const alice = world.members[1]!;
  await until(() => world.person(alice)!.here);
  const old = world.host.sign(world.body({ title: "Old", version: 0 }));
  world.host.say(old);
  world.host.say(alice.sign(world.body({ title: "Alice’s" })));
  const other = { ...(world.host.sign(world.body({ title: "Other" })) as Record<string, unknown>), signature: new Uint8Array(64) };
  alice.say(other);
  await until(() => alice.of("bye").length > 0 || alice.ended !== null, "the forger's channel closed");
  assert.equal(world.shown!.title, "Tuesday");
  await until(() => world.person(alice)!.here || world.timers.length > 0);
  await world.pass(1_000);
  await until(() => world.person(alice)!.here, "a channel with Alice again");
  alice.say(world.host.sign(world.body({ title: "For Alice", version: 1 })));
  await until(() => world.shown!.warnings.length === 1);
  assert.match(world.shown!.warnings[0]!, /mismatch/);
  assert.equal(world.shown!.title, "Tuesday");
  world.visit.leave();
});

test("two digests of one version are told as well", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).enter();
  const alice = world.members[1]!;
  await until(() => world.person(alice)!.here);
  alice.say({ t: "here", sees: [], digest: new Uint8Array(16), version: 1, term: 0, keeper: world.host.key.publicKey });
  await until(() => world.shown!.warnings.length === 1);
  world.visit.leave();
});

test("a guest who comes later opens a channel, dials, and is answered", async () => {
  const world = await (await World.make(["Hedda"])).talk();
  const later = await Member.make(world, "guest two", 99);
  world.members.push(later);
  const seats = [...(world.body()["seats"] as object[])].filter((seat) => !("name" in seat && seat.name === "guest two"));
  seats.push({ key: later.key.publicKey, role: "guest", order: 9, name: "guest two" });
  const body = { ...world.body(), seats };
  const channel = later.open(1);
  await until(() => channel.open);
  const call = new Uint8Array(16).fill(3);
  later.say({ t: "invite", call, sdp: SDP("EE") });
  await calm();
  assert.equal(later.of("accept").length, 0, "not before the roster has them");
  world.host.say(world.host.sign(body));
  await until(() => later.of("accept").length === 1 && later.of("answer").length === 1);
  await until(() => world.person(later)!.media);
  assert.equal(later.of("invite").length, 0);
  world.visit.leave();
});

test("a member who comes later dials us, over the channel that we open", async () => {
  const world = await (await World.make(["Hedda"])).talk();
  const later = await Member.make(world, "Bob", 99);
  world.members.push(later);
  const seats = (world.body({}, world.host)["seats"] as object[]).concat({
    key: later.key.publicKey,
    role: "member",
    order: 9,
    name: "Bob",
  });
  world.host.say(world.host.sign({ ...world.body(), seats }));
  await until(() => later.opened === 1);
  const call = new Uint8Array(16).fill(3);
  later.say({ t: "invite", call });
  await until(() => later.of("accept").length === 1);
  later.say({ t: "renegotiate", call, generation: 0, sdp: SDP("EE") });
  await until(() => world.person(later)!.media);
  assert.equal(later.of("answer")[0]!["generation"], 0);
  world.visit.leave();
});

test("what is altered on its way ends a channel, which is opened anew", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).talk();
  const alice = world.members[1]!;
  world.tamper = (frame) => frame.map((byte, index) => (index === 3 ? byte ^ 1 : byte));
  alice.say({ t: "react", emoji: "👍" });
  await until(() => !world.person(alice)!.here);
  world.tamper = null;
  await world.pass(1_000);
  await until(() => world.person(alice)!.here && alice.opened === 2);
  assert.equal(world.asked("room-reaction").length, 0);
  assert.equal(world.finished, null);
  world.visit.leave();
});

test("media that is lost is offered anew in the generations of our key", async () => {
  const world = await (await World.make(["Hedda"])).talk();
  const session = world.person(world.host)!.session!;
  world.visit.tell({ t: "media-path-lost", session });
  await until(() => world.host.of("renegotiate").length === 1);
  assert.equal(world.host.of("renegotiate")[0]!["generation"], world.guestId > world.host.id ? 3 : 2);
  await until(() => world.person(world.host)!.media);
  world.visit.leave();
});

test("pictures are sent as large as they are shown, and asked for as large as we show them", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).talk();
  const session = world.person(world.host)!.session!;
  const limits = () => world.told.filter((one) => one.t === "shape-media" && one.session === session);
  assert.deepEqual(limits().at(-1), { t: "shape-media", session, bitrate: 400_000, height: 360, frame_rate: 24, share_bitrate: 400_000 });
  world.host.say({ t: "look", size: "large" });
  await until(() => (limits().at(-1) as { bitrate: number }).bitrate === 1_200_000);
  world.visit.tell({ t: "look-at", room, key: world.host.id, size: "none" });
  await until(() => world.host.of("look").length === 1);
  assert.equal(world.host.of("look")[0]!["size"], "none");
  world.visit.leave();
});

test("lines, reactions, hands and asks to mute go through", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).talk();
  const [host, alice] = world.members as [Member, Member];
  const said = await world.visit.ask({ t: "say-in-room", room, text: "to all" });
  assert.deepEqual(said, { t: "said-in-room", id: 0, missed: [] }, "everybody has it");
  await world.visit.ask({ t: "say-in-room", room, text: "to one", to: alice.id });
  await world.visit.ask({ t: "change-room", room, action: "raise-hand" });
  world.visit.tell({ t: "react-in-room", room, emoji: "👍" });
  world.visit.tell({ t: "tell-media", call: world.person(host)!.call!, muted: true, camera_off: false, sharing: false });
  await until(() => alice.of("room-say").length === 2 && host.of("react").length === 1);
  assert.deepEqual([host.of("room-say").length, alice.of("room-say")[1]!["private"]], [1, true]);
  await until(() => host.of("media-state").length === 1);
  await world.pass(300);
  assert.equal(host.of("here").at(-1)!["hand"], true);
  assert.deepEqual([world.person(world.guestId)!.hand, world.person(world.guestId)!.muted], [true, true]);
  alice.say({ t: "room-say", text: "psst", private: true });
  alice.say({ t: "room-request", act: "mute", seat: unhex(world.guestId) }); // who is no host may not
  host.say({ t: "room-request", act: "mute", seat: unhex(world.guestId) });
  host.say({ t: "media-state", call: unhex(world.person(host)!.call!), muted: true, camera_off: true, sharing: false });
  await until(() => world.person(host)!.camera_off && world.asked("room-line").length === 3);
  const lines = world.asked("room-line").map((one) => one.t === "room-line" && [one.text, one.mine, one.to]);
  assert.deepEqual(lines, [["to all", true, null], ["to one", true, alice.id], ["psst", false, world.guestId]]);
  assert.deepEqual(world.asked("room-mute-asked"), [{ t: "room-mute-asked", room, name: "Hedda" }]);
  for (const question of [
    { t: "change-room", room, action: "lock" },
    { t: "change-seat", room, key: alice.id, action: "remove" },
    { t: "invite-to-room", room, who: alice.id },
    { t: "say-in-room", room, text: "x", to: "00".repeat(32) },
    { t: "new-code" },
  ] as const)
    await assert.rejects(world.visit.ask(question), RefusedError);
  world.visit.leave();
});

test("whoever is hidden has no private lines, and media by relays alone", async () => {
  const world = await (await World.make(["Hedda", "Alice"])).talk();
  const alice = world.members[1]!;
  await world.visit.ask({ t: "change-seat", room, key: alice.id, action: "hide" });
  await until(() => alice.of("renegotiate").length === 1);
  const opened = world.asked("open-media").at(-1)!;
  assert.equal(opened.t === "open-media" && opened.relay_only, true);
  alice.say({ t: "room-say", text: "psst", private: true });
  alice.say({ t: "room-say", text: "all" });
  await until(() => world.asked("room-line").length === 1);
  assert.equal(world.person(alice)!.hidden, true);
  world.visit.leave();
});

test("a pair that does not see each other is told after ten seconds, until it does", async () => {
  const world = await (await World.make(["Hedda"])).talk();
  await world.pass(5_000);
  world.host.say({ t: "ping", n: 1 });
  await world.pass(5_500);
  assert.equal(world.shown!.warnings.length, 1);
  world.host.say({ t: "here", sees: [unhex(world.guestId)] });
  await until(() => world.shown!.warnings.length === 0);
  world.visit.leave();
});

test("a host cannot make a guest the host, nor let in somebody else in our name", async () => {
  const world = await (await World.make(["Hedda"])).arrive();
  const body = world.body();
  world.host.say(world.host.sign({ ...body, seats: (body["seats"] as object[]).slice(0, 1) }));
  await calm();
  assert.equal(world.shown, null, "a first roster without us lets nobody in");
  world.host.say(world.host.sign(world.body()));
  await until(() => world.shown !== null);
  const seats = (world.body()["seats"] as { role: string }[]).map((seat) => ({ ...seat, role: seat.role === "guest" ? "host" : "member" }));
  world.host.say(world.host.sign({ ...world.body({ term: 1 }), host: unhex(world.guestId), seats }));
  await calm();
  assert.equal(world.person(world.guestId)!.role, "guest");
  world.visit.leave();
});

test("candidates go out together, and calls that fail are begun again", async () => {
  const world = await World.make(["Hedda"]);
  world.connects = false;
  await world.enter();
  await until(() => world.host.of("invite").length === 1);
  const session = world.person(world.host)!.session!;
  for (const n of [1, 2, 3]) world.visit.tell({ t: "found", session, candidates: [{ candidate: `candidate:${n}` }] });
  await world.pass(50);
  await until(() => world.host.of("candidates").length === 1);
  assert.equal((world.host.of("candidates")[0]!["candidates"] as object[]).length, 3);
  const call = unhex(world.person(world.host)!.call!);
  world.host.say({ t: "hangup", call, reason: "media-failed" });
  await until(() => world.person(world.host)!.call === null);
  await world.pass(1_100);
  await until(() => world.host.of("invite").length === 2);
  world.visit.leave();
});
