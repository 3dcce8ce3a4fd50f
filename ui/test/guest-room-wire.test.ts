// What a guest of a room reads and writes, against the vectors that hold the nodes'.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { encode, ExtData } from "@msgpack/msgpack";
import { visitKey, x25519Of } from "../src/protocol/ed25519.js";
import { Answerer, Opener } from "../src/protocol/noise-ik.js";
import { SealError, type Bytes } from "../src/protocol/bytes.js";
import { keyOf } from "../src/protocol/x25519.js";
import { ephemeralOf } from "./ephemeral.js";
import { Channel, prologue, type ChannelEnd, type Ends } from "../src/guest/room/channel.js";
import { commitment, roomString } from "../src/protocol/room-authentication.js";
import { readRoster } from "../src/protocol/room-roster.js";
import { sendLimits } from "../src/protocol/room-send-limits.js";
import { clean, cleanLines } from "../src/protocol/text.js";
import { unhex, unpack, type FromSeat, type Key } from "../src/protocol/room-messages.js";
import type { PictureSize } from "../src/node/messages.js";
import { hex, WireError } from "../src/protocol/guest-messages.js";
import { until } from "./room-world.js";

const read = (name: string): unknown => JSON.parse(readFileSync(`../tests/vectors/${name}`, "utf8"));

interface RoomVectors {
  keys: { seed: string; public: string; x25519_private: string; x25519_public: string }[];
  bad_keys: string[];
  rosters: {
    room: string;
    body: string;
    signer: string;
    signature: string;
    digest: string;
    keys: Key[];
    nonces: string[];
    commitments: string[];
    string: string;
    sound: boolean;
  }[];
  opening: {
    room: string;
    prologue: string;
    guest_seed: string;
    host_seed: string;
    guest_ephemeral: string;
    guest_kem_seed: string;
    host_kem_message: string;
    host_ephemeral: string;
    tags: string[];
    messages: [string, string];
    hash: string;
    sealed_by_guest: string;
    sealed_by_host: string;
  };
}
const rooms = read("rooms.json") as RoomVectors;

interface IkVector {
  protocol_name: string;
  init_prologue: string;
  init_static: string;
  init_ephemeral: string;
  init_kem_seed: string;
  resp_kem_message: string;
  init_remote_static: string;
  resp_static: string;
  resp_ephemeral: string;
  messages: { payload: string; ciphertext: string }[];
  handshake_hash: string;
}
const ik = (read("noise.json") as { vectors: IkVector[] }).vectors.filter((one) => one.protocol_name.includes("_IKhfs_"));

test("IK is spoken as the vectors say, on both sides", async () => {
  assert.ok(ik.length > 0);
  for (const vector of ik) {
    const [one, two, ...rest] = vector.messages;
    const prologue = unhex(vector.init_prologue);
    const [noise, first] = await Opener.begin(
      {
        key: keyOf(unhex(vector.init_static)),
        remoteStatic: unhex(vector.init_remote_static),
        prologue,
        ephemeral: ephemeralOf(unhex(vector.init_ephemeral), unhex(vector.init_kem_seed)),
      },
      unhex(one!.payload),
    );
    assert.equal(hex(first), one!.ciphertext);
    const ephemeral = ephemeralOf(unhex(vector.resp_ephemeral), new Uint8Array(64), unhex(vector.resp_kem_message));
    const start = { key: keyOf(unhex(vector.resp_static)), prologue, ephemeral };
    const answerer = await Answerer.read(start, first);
    assert.equal(hex(answerer.payload), one!.payload);
    assert.deepEqual(answerer.remoteStatic, keyOf(unhex(vector.init_static)).publicKey);
    const [second, theirs] = await answerer.answer(unhex(two!.payload));
    assert.equal(hex(second), two!.ciphertext);
    const ours = await noise.finish(second);
    assert.equal(hex(ours.payload), two!.payload);
    assert.equal(hex(ours.hash), vector.handshake_hash);
    assert.equal(hex(theirs.hash), vector.handshake_hash);
    rest.forEach((message, index) => {
      const [from, to] = index % 2 === 0 ? [ours, theirs] : [theirs, ours];
      assert.equal(hex(from.send.seal(unhex(message.payload))), message.ciphertext);
      assert.equal(hex(to.receive.open(unhex(message.ciphertext))), message.payload);
    });
  }
});

test("an altered handshake is refused on both sides", async () => {
  const [host, guest] = [keyOf(new Uint8Array(32).fill(1)), keyOf(new Uint8Array(32).fill(2))];
  const start = { key: guest, remoteStatic: host.publicKey, prologue: prologue("00"), ephemeral: ephemeralOf(new Uint8Array(32).fill(3)) };
  const [noise, first] = await Opener.begin(start, new Uint8Array(8));
  const answer = { key: host, prologue: prologue("00"), ephemeral: ephemeralOf(new Uint8Array(32).fill(4)) };
  for (const at of [0, 40, 1200, 1240, 1290]) {
    const altered = first.map((byte, index) => (index === at ? byte ^ 1 : byte));
    await assert.rejects(Answerer.read(answer, altered), SealError);
  }
  await assert.rejects(Answerer.read({ ...answer, prologue: prologue("01") }, first), SealError);
  await assert.rejects(Answerer.read(answer, first.slice(0, 1295)), SealError);
  const [second] = await (await Answerer.read(answer, first)).answer(new Uint8Array());
  await assert.rejects(noise.finish(second.map((byte, index) => (index === 40 ? byte ^ 1 : byte))), SealError);
});

test("the key of a visit has the X25519 form that nodes give it", async () => {
  for (const one of rooms.keys) {
    const key = await visitKey(unhex(one.seed));
    assert.equal(hex(key.publicKey), one.public);
    assert.equal(hex(key.channel.publicKey), one.x25519_public);
    assert.equal(hex(x25519Of(unhex(one.public))), one.x25519_public);
    const other = keyOf(new Uint8Array(32).fill(9));
    assert.deepEqual(await key.channel.shared(other.publicKey), await keyOf(unhex(one.x25519_private)).shared(other.publicKey));
  }
  for (const bad of rooms.bad_keys) assert.throws(() => x25519Of(unhex(bad)), SealError, bad);
});

test("rosters are read, named and refused as nodes do", async () => {
  for (const one of rooms.rosters) {
    const signed = { t: "roster", body: unhex(one.body), signer: one.signer, signature: unhex(one.signature) } as const;
    const roster = readRoster(signed, one.room);
    if (!one.sound) {
      assert.equal(roster, null);
      continue;
    }
    assert.equal(roster!.digest, one.digest);
    assert.deepEqual(roster!.seats.map((seat) => seat.key), one.keys);
    const numbers = new Map(one.keys.map((key, at) => [key, unhex(one.nonces[at]!)]));
    assert.equal(await roomString(one.room, numbers), one.string);
    assert.deepEqual([...numbers].map(([key, nonce]) => hex(commitment(one.digest, key, nonce))), one.commitments);
  }
  const first = rooms.rosters[0]!;
  const named = readRoster({ ...first, t: "roster", body: unhex(first.body), signature: unhex(first.signature) }, first.room)!;
  assert.deepEqual([named.title, named.version, named.host, named.seats[2]!.name], ["Tuesday", 3, rooms.keys[0]!.public, "Bob 😀"]);
});

/** A channel end with a key and an ephemeral of its own. */
async function end(seed: string, name: string, ephemeral: string, kem?: Bytes, kemMessage?: Bytes): Promise<Ends> {
  const seen = new Set<string>();
  return {
    me: await visitKey(unhex(seed)),
    name,
    room: rooms.opening.room,
    now: () => 0,
    ephemeral: () => Promise.resolve(ephemeralOf(unhex(ephemeral), kem, kemMessage)),
    read: unpack,
    fresh: (key) => !seen.has(key) && seen.add(key) !== undefined,
  };
}

class Watched {
  sent: Bytes[] = [];
  said: FromSeat[] = [];
  hello: string | null = null;
  end: ChannelEnd | null = null;
  send = (frame: Bytes) => void this.sent.push(frame);
  opened = (card: { name: string | null }) => void (this.hello = card.name);
  heard = (message: FromSeat) => void this.said.push(message);
  ended = (why: ChannelEnd) => void (this.end = why);
}

test("a channel is opened byte for byte as a node opens it, and a node's opening is answered", async () => {
  const { opening } = rooms;
  const [a, b] = [new Watched(), new Watched()];
  const guest = await end(opening.guest_seed, "Gerda", opening.guest_ephemeral, unhex(opening.guest_kem_seed));
  const host = await end(opening.host_seed, "Hedda", opening.host_ephemeral, undefined, unhex(opening.host_kem_message));
  assert.equal(hex(prologue(opening.room)), opening.prologue);
  const ours = Channel.open(guest, hex(host.me.publicKey), opening.tags.map((tag) => unhex(tag)), a);
  await until(() => a.sent.length === 1);
  assert.equal(hex(a.sent[0]!), opening.messages[0]);
  const theirs = Channel.answer(host, hex(guest.me.publicKey), b);
  theirs.take(unhex(opening.messages[0]));
  await until(() => b.sent.length === 1);
  assert.equal(hex(b.sent[0]!), opening.messages[1]);
  ours.take(unhex(opening.messages[1]));
  await until(() => ours.open);
  assert.deepEqual([a.hello, b.hello], ["Hedda", "Gerda"]);
  assert.equal(hex(ours.tag!), opening.hash.slice(0, 16));
  ours.say({ t: "pong", n: 7 });
  assert.equal(hex(a.sent[1]!), opening.sealed_by_guest);
  ours.take(unhex(opening.sealed_by_host));
  ours.take(new Uint8Array(16));
  await until(() => a.end !== null);
  assert.deepEqual([a.end, a.said, a.sent.length], ["malformed", [], 3], "the pong opened, what followed did not");
  // The same opening again is a replay; from somebody else's mouth it is nobody's.
  for (const from of [hex(guest.me.publicKey), hex(host.me.publicKey)]) {
    const again = new Watched();
    Channel.answer(host, from, again).take(unhex(opening.messages[0]));
    await until(() => again.end !== null);
    assert.deepEqual([again.end, again.sent.length], ["malformed", 0]);
  }
});

test("whatever else comes on a channel ends it, and nothing more", async () => {
  for (const data of [Uint8Array.of(0xc1), new Uint8Array(encode({ t: "here", sees: 5 })), new Uint8Array(encode({ t: "hello" }))]) {
    const [a, b] = [new Watched(), new Watched()];
    const guest = await end("04".repeat(32), "Gerda", "05".repeat(32));
    const host = await end("01".repeat(32), "Hedda", "06".repeat(32));
    const ours = Channel.open(guest, hex(host.me.publicKey), [], a);
    await until(() => a.sent.length === 1);
    const noise = await Answerer.read(
      { key: host.me.channel, prologue: prologue(rooms.opening.room), ephemeral: ephemeralOf(unhex("06".repeat(32))) },
      a.sent[0]!,
    );
    const hello = encode({ t: "hello" });
    const [second, done] = await noise.answer(Uint8Array.of(0, 0, 0, hello.length, ...hello));
    ours.take(second);
    ours.take(done.send.seal(data));
    await until(() => a.end !== null);
    assert.equal(a.end, "malformed");
    assert.deepEqual(unpack(done.receive.open(a.sent[1]!)), { t: "bye", reason: "malformed" });
    assert.deepEqual(b.said, []);
  }
});

test("messages are read or refused, and never anything else", () => {
  const key = new Uint8Array(32);
  const good: object[] = [
    { t: "here", sees: [key], host: false, digest: new Uint8Array(16), keeper: key },
    { t: "pipe", key, pipe: 1, data: new Uint8Array(1) },
    { t: "lent", servers: [{ url: "turn:x", username: "u", credential: "c" }] },
    { t: "invite", call: new Uint8Array(16) },
    { t: "room-say", text: "😀".repeat(4_000) },
  ];
  for (const one of good) unpack(new Uint8Array(encode(one)));
  assert.deepEqual(unpack(new Uint8Array(encode({ t: "unsupported", type: "x" }))), { t: "ignored" });
  const read = (one: object) => unpack(new Uint8Array(encode(one)));
  assert.deepEqual(read({ t: "look", size: "huge" }), { t: "look", size: "small" });
  assert.equal((read({ t: "here", sees: Array(13).fill(key) }) as unknown as { sees: string[] }).sees.length, 12);
  assert.deepEqual((read({ t: "invite", call: new Uint8Array(16), kinds: ["hologram", "audio", "video"] }) as unknown as { kinds: string[] }).kinds, ["audio", "video"]);
  assert.deepEqual(read({ t: "invite", call: new Uint8Array(16), kinds: ["hologram"] }), { t: "unknown", type: "invite" });
  for (const later of [new ExtData(5, new Uint8Array(9)), new Date(1), { deep: [new ExtData(1, new Uint8Array(0))] }])
    assert.deepEqual(unpack(new Uint8Array(encode({ t: "ping", n: 7, later }))), { t: "ping", n: 7 });
  const bad: object[] = [
    { t: "here", digest: new Uint8Array(15) },
    { t: "pipe", key, pipe: -1, data: new Uint8Array(1) },
    { t: "pipe", key, pipe: 2 ** 31, data: new Uint8Array(1) },
    { t: "pipe", key, pipe: 1, data: new Uint8Array() },
    { t: "look", size: "x".repeat(33) },
    { t: "room-say", text: "x".repeat(4_001) },
    { t: "roster", body: new Uint8Array(1), signer: key, signature: new Uint8Array(63) },
    { t: "lent", servers: [{ url: "http://x", username: "u", credential: "c" }] },
    { t: "invite", call: new Uint8Array(15) },
    [],
  ];
  for (const one of bad) assert.throws(() => unpack(new Uint8Array(encode(one))), WireError, JSON.stringify(one));
  let state = 1;
  for (let round = 0; round < 500; round++) {
    const data = Uint8Array.from({ length: 1 + (round % 40) }, () => (state = (state * 48_271) % 2_147_483_647) & 255);
    try {
      unpack(data);
    } catch (error) {
      assert.ok(error instanceof WireError);
    }
  }
});

test("the table of pictures is the nodes'", () => {
  for (const { people, size, limits } of read("room-send-limits.json") as { people: number; size: PictureSize; limits: number[] }[]) {
    const { bitrate, height, frame_rate, share_bitrate } = sendLimits(people, size);
    assert.deepEqual([bitrate, height, frame_rate, share_bitrate], limits, `${people} ${size}`);
  }
});

test("names and lines of others can only show themselves", () => {
  assert.equal(clean("  A\u202elice\n\u2066 B\u0000 "), "Alice B");
  assert.equal(clean("x".repeat(100), 10), `${"x".repeat(9)}…`);
  assert.equal(clean("\u200d\u3164"), "");
  assert.equal(clean(`e${"\u0301".repeat(9)}`), "é\u0301\u0301\u0301".normalize("NFC"));
  assert.equal(cleanLines("one\r\ntwo\u202e\n\n\n\nthree "), "one\ntwo\n\nthree");
});
