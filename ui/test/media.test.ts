import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { decode, encode } from "@msgpack/msgpack";
import { Lines } from "../src/media/lines.js";
import type { AppState } from "../src/node/client.js";
import type { CallShown, Kept } from "../src/node/messages.js";
import { ANNA, BEN, CALL, type FakePeer, FakeStream, FakeTrack, ME, Page, ROOM, settled } from "./call-page.js";
import { until } from "./room-world.js";

let page: Page;
beforeEach(() => {
  page = new Page();
});
afterEach(() => page.shown(null));

test("nothing is opened before the call is accepted, and all of it closed with the call", async () => {
  await page.begin();
  assert.equal(page.asked.length, 0);
  await page.accept();
  await page.allow();
  assert.deepEqual(page.live, ["audio", "video"]);
  page.shown(null);
  assert.deepEqual(page.live, []);
});

test("muting while the browser still asks for the microphone leaves it muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  const muting = page.media.setMuted(CALL, true);
  const microphone = page.asked.shift()!.answer();
  await muting;
  assert.equal(microphone.enabled, false);
  assert.equal(page.media.view(CALL)!.muted, true);
});

test("letting go of push-to-talk before the microphone is open says nothing", async () => {
  await page.begin(["audio"]);
  await page.media.setMuted(CALL, true);
  await page.accept(["audio"]);
  assert.equal(page.asked.length, 0);
  const pressed = page.media.setMuted(CALL, false);
  await settled();
  const released = page.media.setMuted(CALL, true);
  const microphone = page.asked.shift()!.answer();
  await Promise.all([pressed, released]);
  assert.equal(microphone.enabled, false);
});

test("a camera turned off while it opens is closed again", async () => {
  await page.begin();
  await page.accept();
  const off = page.media.setCameraOff(CALL, true);
  await page.allow();
  await off;
  assert.deepEqual(page.live, ["audio"]);
  assert.equal(page.sends("video"), null);
});

test("pressing the camera's button again and again opens one camera", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  const presses = [false, true, false].map((off) => page.media.setCameraOff(CALL, off));
  await page.allow();
  await Promise.all(presses);
  assert.deepEqual(page.live, ["audio", "video"]);
  assert.equal(page.sends("video"), page.opened.find((one) => one.kind === "video" && one.readyState === "live"));
});

test("another microphone chosen while muted stays muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  await page.media.setMuted(CALL, true);
  const changing = page.media.changeDevice(CALL, "microphone", "other");
  await settled();
  await page.allow();
  await changing;
  for (const track of page.opened.filter((one) => one.readyState === "live"))
    assert.equal(track.enabled, false);
});

test("a screen picked after the call has ended is not captured", async () => {
  await page.begin();
  const sharing = page.media.startShare(CALL);
  page.shown(null);
  const screen = new FakeTrack("video");
  page.picker[0]!(new FakeStream([screen]));
  await sharing;
  assert.equal(screen.readyState, "ended");
});

test("sharing twice asks once", async () => {
  await page.begin();
  void page.media.startShare(CALL);
  void page.media.startShare(CALL);
  assert.equal(page.picker.length, 1);
});

test("a shared screen's sound goes with the voice, and ends with the share", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  const sharing = page.media.startShare(CALL);
  const sound = new FakeTrack("audio");
  page.picker[0]!(new FakeStream([new FakeTrack("video", { displaySurface: "browser" }), sound]));
  await sharing;
  const microphone = page.opened[0]!;
  assert.deepEqual(page.mixed.at(-1), [microphone, sound]);
  assert.notEqual(page.sends("audio"), microphone);
  await page.media.stopShare(CALL);
  assert.equal(page.sends("audio"), microphone);
  assert.equal(sound.readyState, "ended");
});

/** Presses Share, and the browser answers so. */
async function refused(name: string, message: string): Promise<void> {
  const sharing = page.media.startShare(CALL);
  page.refusePicker.at(-1)!(Object.assign(new Error(message), { name }));
  await sharing;
}
const saidOfShare = () => page.media.view(CALL)!.trouble.share;

test("who closes the picker of screens without choosing is not reproached, and can share", async () => {
  await page.begin();
  for (const words of ["Permission denied", "Permission denied by user", "The request is not allowed by the user agent", "Permission dismissed"]) {
    await refused("NotAllowedError", words);
    assert.equal(saidOfShare(), null, words);
  }
  void page.media.startShare(CALL);
  assert.equal(page.picker.length, 5);
});

test("what kept a screen from being shared is told for a moment, and no more once it is tried again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  await page.begin();
  const causes = [
    ["NotAllowedError", "Permission denied by system", "system"],
    ["NotAllowedError", 'Access to the feature "display-capture" is disallowed by permissions policy.', "policy"],
    ["NotReadableError", "Could not start video source", "busy"],
  ] as const;
  for (const [name, words, said] of causes) {
    await refused(name, words);
    assert.equal(saidOfShare(), said);
    t.mock.timers.tick(60_000);
    assert.equal(saidOfShare(), null);
  }
  await refused("NotReadableError", "Could not start video source");
  void page.media.startShare(CALL);
  assert.equal(saidOfShare(), null, "it is being tried");
});

test("the browser is asked to leave the voices of the others out of the sound that is shared", async () => {
  await page.begin();
  await refused("NotAllowedError", "Permission denied");
  const { audio, selfBrowserSurface } = page.wishes[0] as Record<string, unknown>;
  assert.deepEqual([audio, selfBrowserSurface], [{ restrictOwnAudio: true }, "exclude"]);
  page.leavesOwnOut = false;
  await refused("NotAllowedError", "Permission denied");
  assert.equal((page.wishes[1] as Record<string, unknown>)["systemAudio"], "exclude", "or all of the computer's sound is not offered");
});

for (const [surface, left, sent] of [
  ["monitor", false, false],
  ["window", undefined, false],
  [undefined, undefined, false],
  ["monitor", true, true],
  ["browser", false, true],
] as const)
  test(`the sound of a shared ${surface ?? "thing of no name"}, own sound left out: ${left}, is ${sent ? "" : "not "}sent`, async () => {
    await page.begin(["audio"]);
    await page.accept(["audio"]);
    await page.allow();
    const sharing = page.media.startShare(CALL);
    const sound = new FakeTrack("audio", { restrictOwnAudio: left });
    page.picker[0]!(new FakeStream([new FakeTrack("video", { displaySurface: surface }), sound]));
    await sharing;
    assert.equal(page.mixed.length, sent ? 1 : 0);
    assert.equal(sound.readyState, sent ? "live" : "ended");
    assert.equal(saidOfShare(), sent ? null : "sound", "and who shares is told");
    assert.equal(page.media.view(CALL)!.sharing, true);
    await page.media.stopShare(CALL);
  });

const chatOf = (peer: FakePeer) => peer.channels.get(0)!;
const say = (peer: FakePeer, message: object) => chatOf(peer).onmessage!({ data: new Uint8Array(encode(message)).buffer });
const lines = () => page.media.view(CALL)!.chat.map((line) => line.state);

test("a line of chat is shown as sent when the other side has it, and not before", async () => {
  await page.begin();
  page.media.sendChat(CALL, "hello");
  assert.deepEqual(lines(), ["sending"]);
  const { number } = decode(chatOf(page.peers[0]!).sent[0]!) as { number: number };
  say(page.peers[0]!, { t: "chat-taken", number: number + 1 });
  assert.deepEqual(lines(), ["sending"], "that was another line");
  say(page.peers[0]!, { t: "chat-taken", number });
  assert.deepEqual(lines(), ["taken"]);
});

test("a line that nobody confirms is not delivered, and goes out again when a person tries, and over a new path", async () => {
  await page.begin();
  const first = chatOf(page.peers[0]!);
  first.readyState = "connecting";
  page.media.sendChat(CALL, "early");
  assert.deepEqual([first.sent.length, lines()], [0, ["sending"]]);
  first.readyState = "open";
  first.onopen!();
  assert.equal(first.sent.length, 1);
  const { number } = decode(first.sent[0]!) as { number: number };
  page.media.sendAgain(CALL, number);
  page.hear({ t: "open-media", session: 2, call: CALL, kinds: ["audio"], servers: [], relay_only: false, room: null, carry: false });
  chatOf(page.peers[1]!).onopen!();
  const again = [first.sent[1]!, chatOf(page.peers[1]!).sent[0]!].map((data) => decode(data));
  assert.deepEqual(again, Array(2).fill({ t: "chat", text: "early", number }));
  page.shown(null);
  assert.deepEqual(page.media.undelivered, { call: CALL, texts: ["early"] }, "the call ended first, and who wrote is told");
});

test("a line said twice, over two paths, is shown once and confirmed twice", async () => {
  await page.begin();
  for (let n = 0; n < 2; n++) say(page.peers[0]!, { t: "chat", text: "hello", number: 9 });
  assert.deepEqual(lines(), ["taken"]);
  assert.deepEqual(chatOf(page.peers[0]!).sent.map((data) => decode(data)), Array(2).fill({ t: "chat-taken", number: 9 }));
});

test("whose program confirms nothing is not said to have lost what we wrote", async () => {
  await page.begin();
  say(page.peers[0]!, { t: "chat", text: "hello" });
  page.media.sendChat(CALL, "hello you");
  assert.deepEqual(lines(), ["taken", "sent"]);
  assert.equal(chatOf(page.peers[0]!).sent.length, 1, "nothing to confirm");
});

test("a line that waits too long for its confirmation is shown as not delivered", () => {
  const chat = new Lines();
  const line = chat.write("hello", 0);
  assert.deepEqual([chat.age(9_999), chat.age(10_000)], [false, true]);
  assert.equal(chat.all[0]!.state, "failed");
  chat.again(line.number!, 20_000);
  assert.equal(chat.age(29_000), false);
  chat.taken(line.number!);
  chat.age(90_000);
  assert.equal(chat.all[0]!.state, "taken");
});

test("a call that moves to another page leaves no device open here", async () => {
  await page.begin();
  await page.accept();
  await page.allow();
  page.shown(ME + 1);
  assert.deepEqual(page.live, []);
  assert.equal(page.media.view(CALL), null);
});

test("a call that comes from another page is not ended by what was shown before", async () => {
  page.shown(ME + 1);
  page.hear({ t: "open-media", session: 1, call: CALL, kinds: ["audio"], servers: [], relay_only: false, room: null, carry: false });
  page.shown(ME + 1);
  assert.notEqual(page.media.view(CALL), null);
});

test("a node that stays away for 45 s leaves no device open", async (context) => {
  await page.begin();
  await page.accept();
  await page.allow();
  context.mock.timers.enable({ apis: ["setTimeout"] });
  page.shown(ME, "waiting");
  context.mock.timers.tick(44_000);
  assert.deepEqual(page.live, ["audio", "video"]);
  context.mock.timers.tick(1_000);
  assert.deepEqual(page.live, []);
});

test("a preview kept for a call that ends before it starts is closed", async () => {
  void page.devices.openPreview();
  await settled();
  await page.allow();
  page.devices.keepPreviewFor(CALL);
  page.shown();
  assert.deepEqual(page.live, ["audio", "video"]);
  page.shown(null);
  assert.deepEqual(page.live, []);
});

test("a preview left while the browser asks closes what it is given, and asks no more", async () => {
  void page.devices.openPreview();
  await settled();
  page.devices.closePreview();
  await page.allow();
  assert.deepEqual(page.live, []);
  assert.equal(page.opened.length, 1);
});

test("a camera switched off in the preview while it opens is closed", async () => {
  void page.devices.openPreview(["camera"]);
  await settled();
  await page.devices.setWanted("camera", false);
  await page.allow();
  assert.deepEqual(page.live, []);
});

test("a refused microphone is named, and the call goes on muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  page.asked.shift()!.answer(false);
  await settled();
  assert.equal(page.media.view(CALL)!.muted, true);
  assert.equal(page.media.view(CALL)!.trouble.microphone, "denied");
  assert.ok(page.told.some((one) => one.t === "tell-media" && one.muted));
});

test("a node that comes back finds a muted call still muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  await page.media.setMuted(CALL, true);
  page.shown(ME, "lost");
  page.change({ ...page.client.state, link: "open", calls: [] }); // welcome; the list follows
  page.shown();
  assert.equal(page.media.view(CALL)!.muted, true);
  assert.equal(page.opened[0]!.enabled, false);
});

test("a path that went silent is shown until another plays", async () => {
  const remote = () => page.media.view(CALL)!.remote;
  await page.begin();
  await page.peers[0]!.connect();
  const first = remote();
  page.hear({ t: "suspect-media", session: 1 });
  await until(() => page.told.some((one) => one.t === "media-path-lost"));
  page.hear({ t: "open-media", session: 2, call: CALL, kinds: ["audio"], servers: [], relay_only: false, room: null, carry: false });
  page.hear({ t: "make-offer", session: 2 });
  await settled();
  assert.equal(remote(), first);
  assert.equal(page.media.view(CALL)!.connected, false);
  await page.peers[1]!.connect();
  assert.notEqual(remote(), first);
});

// ── rooms ────────────────────────────────────────────────────────────────────────────────────────
test("a room opens one camera and one microphone for all of its calls", async () => {
  page.inRoom([]);
  await page.allow();
  assert.deepEqual(page.live, ["audio", "video"]);
  await page.meet(1, ANNA);
  await page.meet(2, BEN);
  await page.allow();
  assert.equal(page.opened.length, 2);
  for (const peer of page.peers) assert.deepEqual([...peer.sent.values()].sort(), page.opened.slice().sort());
  page.shown(null);
  page.hear({ t: "rooms", rooms: [], invitations: [], meetings: [] });
  assert.deepEqual(page.live, []);
  assert.equal(page.media.roomView(ROOM), null);
});

test("nothing is opened at the door of a room", async () => {
  page.inRoom([], ME, "knocking");
  await settled();
  assert.equal(page.asked.length, 0);
});

test("one switch mutes a room, and whoever joins later is told", async () => {
  page.inRoom([ANNA]);
  await page.allow();
  await page.meet(1, ANNA);
  await page.media.setMuted(ROOM, true);
  assert.equal(page.opened.find((one) => one.kind === "audio")!.enabled, false);
  assert.equal(page.media.roomView(ROOM)!.muted, true);
  assert.ok(page.told.some((one) => one.t === "tell-media" && one.call === ANNA && one.muted));
  await page.meet(2, BEN);
  const told = page.told.filter((one) => one.t === "tell-media" && one.call === BEN);
  assert.equal(told.length, 1);
  assert.ok(told.every((one) => one.t === "tell-media" && one.muted));
});

test("the copy that hears a muted person is sent to nobody, and ends with the microphone", async () => {
  page.inRoom([ANNA]);
  await page.allow();
  await page.meet(1, ANNA);
  const microphone = page.opened.find((one) => one.kind === "audio")!;
  const ear = microphone.clones[0]!;
  assert.equal(page.media.ear(ROOM), ear as unknown as MediaStreamTrack);
  await page.media.setMuted(ROOM, true);
  assert.equal(microphone.enabled, false);
  assert.ok(page.peers.every((peer) => [...peer.sent.values()].every((track) => track !== ear)));
  const changing = page.media.changeDevice(ROOM, "microphone", "other");
  await page.allow();
  await changing;
  assert.equal(ear.readyState, "ended");
  const next = page.opened.filter((one) => one.kind === "audio").at(-1)!;
  assert.equal(next.enabled, false);
  page.hear({ t: "rooms", rooms: [], invitations: [], meetings: [] });
  page.shown(null);
  assert.equal(next.clones[0]!.readyState, "ended");
});

test("a call alone listens to nobody who is muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  assert.deepEqual(page.opened[0]!.clones, []);
});

test("who leaves a room takes their call along and leaves the devices open", async () => {
  page.inRoom([ANNA, BEN]);
  await page.allow();
  await page.meet(1, ANNA);
  await page.meet(2, BEN);
  page.inRoom([ANNA, BEN]);
  page.inRoom([BEN]);
  assert.equal(page.media.view(ANNA), null);
  assert.notEqual(page.media.view(BEN), null);
  assert.deepEqual(page.live, ["audio", "video"]);
});

test("a call whose room is not shown yet waits for it", async () => {
  page.inRoom([]);
  await page.allow();
  page.hear({ t: "open-media", session: 1, call: ANNA, kinds: ["audio"], servers: [], relay_only: false, room: ROOM, carry: false });
  page.inRoom([]);
  assert.notEqual(page.media.view(ANNA), null);
  page.hear({ t: "close-media", session: 1 });
  assert.equal(page.media.view(ANNA), null);
});

test("a room that moves to another page leaves no device open here", async () => {
  page.inRoom([ANNA]);
  await page.allow();
  await page.meet(1, ANNA);
  page.inRoom([ANNA], ME + 1);
  assert.deepEqual(page.live, []);
  assert.equal(page.media.view(ANNA), null);
});

test("a session sends no more picture than it is told, and none when told so", async () => {
  page.inRoom([ANNA]);
  await page.allow();
  await page.meet(1, ANNA);
  const encoding = page.peers[0]!.encodings.get("video")!;
  page.hear({ t: "shape-media", session: 1, bitrate: 150_000, height: 180, frame_rate: 15, share_bitrate: 0 });
  await settled();
  assert.deepEqual(encoding, { active: true, maxBitrate: 150_000, scaleResolutionDownBy: 4, maxFramerate: 15 });
  page.hear({ t: "shape-media", session: 1, bitrate: 0, height: 0, frame_rate: 0, share_bitrate: 0 });
  await settled();
  assert.equal(encoding["active"], false);
});

test("sound goes before picture", async () => {
  page.inRoom([ANNA]);
  await page.allow();
  await page.meet(1, ANNA);
  page.hear({ t: "take-answer", session: 1, sdp: "v=0" });
  await settled();
  assert.deepEqual(page.peers[0]!.encodings.get("audio"), { priority: "high", networkPriority: "high" });
});

test("frames are carried both ways, and dropped when too much waits", async () => {
  page.inRoom([ANNA]);
  await page.meet(1, ANNA);
  const channel = page.peers[0]!.channels.get(1)!;
  page.hear({ t: "carry-media", session: 1, data: new Uint8Array([1, 2]) });
  channel.bufferedAmount = 1_048_576;
  page.hear({ t: "carry-media", session: 1, data: new Uint8Array([3]) });
  assert.deepEqual(channel.sent, [new Uint8Array([1, 2])]);
  channel.onmessage!({ data: new Uint8Array([9]).buffer });
  for (const bad of ["text", new ArrayBuffer(0), new ArrayBuffer(60_001)]) channel.onmessage!({ data: bad });
  assert.deepEqual(
    page.told.filter((one) => one.t === "carried"),
    [{ t: "carried", session: 1, data: new Uint8Array([9]) }],
  );
});

test("a call outside of rooms has no channel for frames", async () => {
  await page.begin();
  assert.deepEqual([...page.peers[0]!.channels.keys()], [0]);
});

// ── what belongs to the call, and not to one page ─────────────────────────────────────────────────
const MUTED: Kept = {
  t: "kept",
  target: CALL,
  muted: true,
  camera_off: true,
  held: false,
  draft: "",
  draft_to: null,
  camera: null,
  microphone: null,
  speaker: null,
};

test("who was muted with the camera off in another page is so in this one, and nobody is told otherwise", async () => {
  page.before.set(CALL, MUTED);
  await page.begin();
  await page.accept();
  assert.equal(page.asked.length, 0, "neither is opened");
  const told = page.told.filter((one) => one.t === "tell-media");
  assert.deepEqual(told.filter((one) => !one.muted || !one.camera_off), []);
  assert.ok(told.length > 0);
});

test("a room that another page was muted in is entered muted", async () => {
  page.before.set(ROOM, { ...MUTED, target: ROOM });
  page.inRoom([]);
  await settled();
  assert.equal(page.asked.length, 0);
  const { muted, cameraOff } = page.media.roomView(ROOM)!;
  assert.deepEqual([muted, cameraOff], [true, true]);
});

test("the next page goes on with the devices and the switches of this one", async () => {
  await page.begin();
  await page.accept();
  await page.allow();
  await page.media.setMuted(CALL, true);
  await page.devices.choose("speaker", "headphones");
  assert.deepEqual(page.handed.get(CALL), { muted: true, camera_off: false, camera: "", microphone: "", speaker: "headphones" });
});

test("a page that is reloaded while push-to-talk is held leaves a closed microphone behind", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  await page.media.setMuted(CALL, true);
  await page.media.talk(CALL, true);
  assert.equal(page.media.view(CALL)!.muted, false);
  assert.equal(page.handed.get(CALL)!.muted, true);
  await page.media.setMuted(CALL, false);
  assert.equal(page.handed.get(CALL)!.muted, false, "open for good");
});

test("answering one call with video does not turn the camera on in the next", async () => {
  await page.devices.setWanted("camera", false);
  page.media.beginWith(CALL, true);
  await page.begin();
  await page.accept();
  await page.allow();
  assert.deepEqual(page.live, ["audio", "video"]);
  assert.equal(page.devices.state.wanted.camera, false);
});

test("answering with video opens the camera of a call that was prepared with it off", async () => {
  await page.devices.setWanted("camera", false);
  await page.begin(); // it rings
  page.media.beginWith(CALL, true);
  await page.accept();
  await page.allow();
  assert.deepEqual(page.live, ["audio", "video"]);
});

test("a call that rings begins as this page's person wants it, whatever another page prepared", async () => {
  page.before.set(CALL, { ...MUTED, muted: false, camera_off: false });
  await page.devices.setWanted("camera", false);
  page.client.state = { calls: [{ call: CALL, state: "ringing-in" } as CallShown] } as unknown as AppState;
  await page.begin();
  await page.accept();
  await page.allow();
  assert.deepEqual(page.live, ["audio"]);
});
