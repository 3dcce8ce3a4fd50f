// The guest's handshake, links and authentication string against the vectors that hold the host's.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseLink } from "../src/protocol/guest-link.js";
import { SealError, type Bytes } from "../src/protocol/bytes.js";
import { Cipher, freshEphemeral, freshKey, Initiator } from "../src/protocol/noise.js";
import { commitment } from "../src/protocol/call-authentication.js";
import { fingerprint, sas, sorted } from "../src/protocol/sas.js";
import { keyOf } from "../src/protocol/x25519.js";
import { kemOf } from "../src/protocol/ml-kem.js";
import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES, REKEY, REKEY_MESSAGES } from "../src/protocol/tables.js";
import { ephemeralOf } from "./ephemeral.js";

const VECTORS = "../tests/vectors/";
const bytes = (hex: string): Bytes => new Uint8Array(Buffer.from(hex, "hex"));
const read = (name: string): unknown => JSON.parse(readFileSync(VECTORS + name, "utf8"));

interface Vector {
  protocol_name: string;
  init_prologue: string;
  init_psks: string[];
  init_ephemeral: string;
  init_kem_seed: string;
  resp_kem_message: string;
  resp_kem_ciphertext: string;
  resp_kem_secret: string;
  init_remote_static: string;
  messages: { payload: string; ciphertext: string }[];
  rekeyed: { payload: string; ciphertexts: string[] }[];
  handshake_hash: string;
}

interface GuestVectors {
  links: { fragment: string; door: string; key: string; psk: string; expires: number | null }[];
  broken: { fragment: string; trouble: string }[];
  pasted: string[];
  strings: { binding: string; offer: string; answer: string; commitment: string; offerer: string; answerer: string; string: string }[];
}

const vectors = (read("noise.json") as { vectors: Vector[] }).vectors.filter((one) => one.protocol_name.includes("psk0"));

function begin(vector: Vector, ephemeral = ephemeralOf(bytes(vector.init_ephemeral), bytes(vector.init_kem_seed))) {
  return Initiator.begin(
    {
      remoteStatic: bytes(vector.init_remote_static),
      psk: bytes(vector.init_psks[0]!),
      prologue: bytes(vector.init_prologue),
      ephemeral,
    },
    bytes(vector.messages[0]!.payload),
  );
}

test("every message of the vectors is written and opened as they say", async () => {
  assert.ok(vectors.length > 0);
  for (const vector of vectors) {
    const [noise, first] = await begin(vector);
    assert.deepEqual(first, bytes(vector.messages[0]!.ciphertext));
    const done = await noise.finish(bytes(vector.messages[1]!.ciphertext));
    assert.deepEqual(done.payload, bytes(vector.messages[1]!.payload));
    assert.deepEqual(done.hash, bytes(vector.handshake_hash));
    vector.messages.slice(2).forEach((message, index) => {
      if (index % 2 === 0) assert.deepEqual(done.send.seal(bytes(message.payload)), bytes(message.ciphertext));
      else assert.deepEqual(done.receive.open(bytes(message.ciphertext)), bytes(message.payload));
    });
  }
});

test("ML-KEM makes and opens what nodes do", () => {
  for (const vector of (read("noise.json") as { vectors: Vector[] }).vectors) {
    const ours = kemOf(bytes(vector.init_kem_seed), new Uint8Array(32));
    const theirs = kemOf(new Uint8Array(64), bytes(vector.resp_kem_message));
    const [ciphertext, secret] = theirs.encapsulate(ours.publicKey);
    assert.deepEqual([ciphertext, secret], [bytes(vector.resp_kem_ciphertext), bytes(vector.resp_kem_secret)]);
    assert.deepEqual(ours.open(ciphertext), secret);
  }
});

test("what is no ML-KEM key or ciphertext is refused", () => {
  const kem = kemOf(new Uint8Array(64), new Uint8Array(32));
  const key = kem.publicKey;
  const clear = key.slice();
  clear.fill(0, 0, -32);
  for (const bad of [new Uint8Array(), new Uint8Array(KEM_PUBLIC_BYTES), new Uint8Array(KEM_PUBLIC_BYTES).fill(255), clear, key.slice(1)])
    assert.throws(() => kem.encapsulate(bad), SealError);
  for (const length of [0, KEM_CIPHERTEXT_BYTES - 1, KEM_CIPHERTEXT_BYTES + 1])
    assert.throws(() => kem.open(new Uint8Array(length)), SealError);
  // One of zeros carries a secret that only we have.
  const [one, other] = [kem, kemOf(new Uint8Array(64).fill(1), new Uint8Array(32))].map((own) => own.open(new Uint8Array(KEM_CIPHERTEXT_BYTES)));
  assert.notDeepEqual(one, other);
});

test("a rekey is what a node does, in both directions", async () => {
  for (const vector of vectors) {
    const [noise] = await begin(vector);
    const { send, receive } = await noise.finish(bytes(vector.messages[1]!.ciphertext));
    let now = 1;
    vector.messages.slice(2).forEach((message, index) => {
      if (index % 2 === 0) assert.deepEqual(send.say(bytes(message.payload), now), [bytes(message.ciphertext)]);
      else assert.deepEqual(receive.hear(bytes(message.ciphertext)), bytes(message.payload));
    });
    for (const [index, { payload, ciphertexts }] of vector.rekeyed.entries()) {
      if (index % 2 === 0) assert.deepEqual(send.say(bytes(payload), (now += REKEY)).map((one) => Buffer.from(one).toString("hex")), ciphertexts);
      else assert.deepEqual(ciphertexts.map((one) => receive.hear(bytes(one))), [null, bytes(payload)]);
    }
  }
});

test("a key is replaced after so many messages, and used for no more", async () => {
  const key = bytes("05".repeat(32));
  const [send, receive, lazy, strict] = [new Cipher(key), new Cipher(key), new Cipher(key), new Cipher(key)];
  const one = Uint8Array.of(1);
  for (let n = 1; n < REKEY_MESSAGES; n++) {
    const [frame] = send.say(one, 1);
    assert.deepEqual(receive.hear(frame!), one);
    strict.hear(lazy.seal(one));
  }
  assert.throws(() => strict.hear(lazy.seal(one)), SealError);
  const frames = send.say(one, 1);
  assert.deepEqual(frames.map((frame) => receive.hear(frame)), [null, one]);
});

test("an answer that was altered, or is another's, opens nothing", async () => {
  const vector = vectors[0]!;
  const answer = bytes(vector.messages[1]!.ciphertext);
  for (const at of [0, 31, 40, 1135, 1140, answer.length - 1]) {
    const [noise] = await begin(vector);
    const wrong = answer.slice();
    wrong[at]! ^= 1;
    await assert.rejects(noise.finish(wrong), SealError);
  }
  const [other] = await begin(vector, await freshEphemeral());
  await assert.rejects(other.finish(answer), SealError);
  for (const length of [0, 31, 47, 1151]) {
    const [noise] = await begin(vector);
    await assert.rejects(noise.finish(answer.slice(0, length)), SealError);
  }
});

test("a key with which no secret can be had is refused", async () => {
  for (const key of [await freshKey(), keyOf(bytes("11".repeat(32)))])
    await assert.rejects(key.shared(new Uint8Array(32)), SealError);
});

test("the browser's own X25519 and the fallback agree", async () => {
  const [own, fallback] = [await freshKey(), keyOf(bytes("07".repeat(32)))];
  assert.deepEqual(await own.shared(fallback.publicKey), await fallback.shared(own.publicKey));
});

test("messages open in their order alone", async () => {
  const vector = vectors[0]!;
  const [noise] = await begin(vector);
  const { receive } = await noise.finish(bytes(vector.messages[1]!.ciphertext));
  const theirs = vector.messages.slice(2).filter((_, index) => index % 2 === 1);
  const first = theirs[0]!;
  const altered = bytes(first.ciphertext);
  altered[0]! ^= 1;
  assert.throws(() => receive.open(altered), SealError);
  assert.deepEqual(receive.open(bytes(first.ciphertext)), bytes(first.payload));
  assert.throws(() => receive.open(bytes(first.ciphertext)), SealError);
});

test("links and authentication strings are those of the node", async () => {
  const guest = read("guest.json") as GuestVectors;
  for (const { fragment, door, key, psk, expires } of guest.links) {
    const link = parseLink(`#${fragment}`);
    assert.ok(typeof link !== "string");
    assert.deepEqual(link, { door: bytes(door), key: bytes(key), psk: bytes(psk), expires });
  }
  for (const text of guest.pasted) assert.deepEqual(parseLink(text), parseLink(guest.links[0]!.fragment), text);
  for (const { fragment, trouble } of guest.broken) assert.equal(parseLink(fragment), trouble);
  for (const { binding, offer, answer, commitment: committed, offerer, answerer, string } of guest.strings) {
    const [a, b] = [fingerprint(offer), fingerprint(answer)];
    assert.ok(a !== null && b !== null);
    const nonces = { offerer: bytes(offerer), answerer: bytes(answerer) };
    assert.equal(sas(bytes(binding), a, b, nonces), string);
    assert.equal(sas(bytes(binding), b, a, nonces), string);
    const call = Uint8Array.from({ length: 16 }, (_, n) => n);
    assert.deepEqual(commitment(call, 2, nonces.offerer), bytes(committed));
  }
  assert.equal(fingerprint("v=0\r\n"), null);
  assert.deepEqual(sorted(bytes("02"), bytes("01")), [bytes("01"), bytes("02")]);
});
