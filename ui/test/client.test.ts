import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "@msgpack/msgpack";
import { Client, LinkLost, type RefusedError, type Surroundings } from "../src/node/client.js";
import { packChat, packTaken, unpackChat } from "../src/node/codec.js";
import type { FromNode } from "../src/node/messages.js";

class FakeSocket {
  readyState = 1;
  binaryType = "";
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  send(data: Uint8Array): void {
    this.sent.push(decode(data) as Record<string, unknown>);
  }
  close(): void {
    this.drop(1000);
  }
  hear(message: FromNode): void {
    const data = new Uint8Array(encode(message));
    this.onmessage?.({ data: data.buffer });
  }
  drop(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

function surroundings(kept: Record<string, string> = { "onmeet-token": "a".repeat(64) }) {
  const sockets: FakeSocket[] = [];
  const waits: [() => void, number][] = [];
  const around: Surroundings = {
    connect: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    fetch: async () => new Response(JSON.stringify({ token: "b".repeat(64) })),
    storage: {
      getItem: (key) => kept[key] ?? null,
      setItem: (key, value) => void (kept[key] = value),
      removeItem: (key) => void delete kept[key],
    },
    takeCode: () => null,
    browserKey: () => Promise.resolve(null),
    later: (run, ms) => waits.push([run, ms]),
    language: "en",
  };
  return { around, sockets, waits, kept };
}

const WELCOME: FromNode = { t: "welcome", page: 3, release: "1", keyring: false };

test("a page without a token says that it belongs to no node", async () => {
  const { around, sockets } = surroundings({});
  const client = new Client(around);
  await client.start();
  assert.equal(client.state.link, "unauthorized");
  assert.equal(sockets.length, 0);
});

test("the code of the address becomes a token, which is said first", async () => {
  const { around, sockets, kept } = surroundings({});
  const client = new Client({ ...around, takeCode: () => "code" });
  await client.start();
  assert.equal(kept["onmeet-token"], "b".repeat(64));
  sockets[0]!.onopen!();
  assert.deepEqual(sockets[0]!.sent[0], {
    t: "hello",
    version: 1,
    token: "b".repeat(64),
    language: "en",
  });
});

for (const before of ["no token", "an old token", "a lost line", "a line that is being opened"] as const)
  test(`a fresh address put into a tab with ${before} opens the app, and its code is used up`, async () => {
    const { around, sockets, waits } = surroundings(before === "no token" ? {} : undefined);
    let code: string | null = null;
    const client = new Client({ ...around, takeCode: () => [code, (code = null)][0]! });
    await client.start();
    if (before === "an old token") sockets[0]!.drop(4401);
    if (before === "a lost line") sockets[0]!.drop(1006);
    code = "fresh";
    await client.readdressed();
    const socket = sockets.at(-1)!;
    socket.onopen!();
    assert.equal(socket.sent[0]!["token"], "b".repeat(64));
    socket.hear(WELCOME);
    assert.equal(client.state.link, "open");
    assert.equal(code, null);
    const made = sockets.length;
    for (const [again] of waits.splice(0)) again();
    assert.equal(sockets.length, made, "and no second line is opened");
  });

test("a fresh address put into a tab that is open leaves its line, and its calls, as they are", async () => {
  const { around, sockets } = surroundings();
  const client = new Client({ ...around, takeCode: () => "code" });
  await client.start();
  sockets[0]!.hear(WELCOME);
  await client.readdressed();
  assert.equal(sockets.length, 1);
  assert.equal(client.state.link, "open");
});

test("an address whose node does not answer leaves the page trying with what it has", async () => {
  const { around, sockets } = surroundings();
  const client = new Client({ ...around, takeCode: () => "code", fetch: () => Promise.reject(new TypeError("no network")) });
  await client.start();
  assert.equal(sockets.length, 1);
});

test("each question gets its own answer", async () => {
  const { around, sockets } = surroundings();
  const client = new Client(around);
  await client.start();
  sockets[0]!.hear(WELCOME);
  const first = client.ask({ t: "examine" }, "findings");
  const second = client.ask({ t: "unlock-home", passphrase: "x" }, "done");
  sockets[0]!.hear({ t: "refused", id: 2, kind: "WrongPassphrase", sentence: "no" });
  sockets[0]!.hear({ t: "findings", id: 1, findings: [] });
  assert.deepEqual((await first).findings, []);
  await assert.rejects(second, (error: RefusedError) => error.kind === "WrongPassphrase");
});

test("a broken line comes back by itself, more slowly each time, and open questions are refused", async () => {
  const { around, sockets, waits } = surroundings();
  const client = new Client(around);
  await client.start();
  sockets[0]!.hear(WELCOME);
  const question = client.ask({ t: "examine" }, "findings");
  sockets[0]!.drop(1006);
  await assert.rejects(question, LinkLost);
  assert.equal(client.state.link, "lost");
  const pauses: number[] = [];
  for (let i = 0; i < 6; i++) {
    const [again, pause] = waits.pop()!;
    pauses.push(pause);
    again();
    sockets.at(-1)!.drop(1006);
  }
  assert.deepEqual(pauses, [300, 600, 1200, 2400, 4800, 5000]);
  waits.pop()![0]();
  sockets.at(-1)!.hear(WELCOME);
  assert.equal(client.state.link, "open");
});

test("a token of an earlier run is forgotten", async () => {
  const { around, sockets, kept } = surroundings();
  const client = new Client(around);
  await client.start();
  sockets[0]!.drop(4401);
  await settled();
  assert.equal(client.state.link, "unauthorized");
  assert.deepEqual(kept, {});
});

/** A node that knows this browser, or does not; what it was told, by path. */
function knowing(answers: Record<string, () => Response>) {
  const told: Record<string, unknown>[] = [];
  const fetch = (path: string, request: RequestInit) => {
    told.push({ path, ...(JSON.parse(request.body as string) as object) });
    return Promise.resolve(answers[path]?.() ?? new Response("", { status: 404 }));
  };
  const browserKey = () => Promise.resolve({ publicKey: "K", sign: (challenge: string) => Promise.resolve(`S(${challenge})`) });
  return { told, more: { fetch: fetch as typeof globalThis.fetch, browserKey } };
}

const json = (value: object, status = 200) => () => new Response(JSON.stringify(value), { status });
const settled = () => new Promise((done) => setTimeout(done, 0));

test("a browser that was let in comes back without a code, and after its node was started again", async () => {
  const { told, more } = knowing({ "/challenge": json({ challenge: "C" }), "/session": json({ token: "c".repeat(64) }) });
  for (const kept of [{}, { "onmeet-token": "a".repeat(64) }] as Record<string, string>[]) {
    const { around, sockets } = surroundings(kept);
    const client = new Client({ ...around, ...more });
    await client.start();
    if ("onmeet-token" in kept && sockets.length === 1) sockets[0]!.drop(4401);
    await settled();
    sockets.at(-1)!.onopen!();
    assert.equal(sockets.at(-1)!.sent[0]!["token"], "c".repeat(64));
    assert.deepEqual(told.at(-1), { path: "/session", key: "K", challenge: "C", signature: "S(C)" });
  }
});

test("the key goes with a code, so that no code is needed next time", async () => {
  const { told, more } = knowing({ "/session": json({ token: "c".repeat(64) }) });
  const { around } = surroundings({});
  await new Client({ ...around, ...more, takeCode: () => "code" }).start();
  assert.deepEqual(told, [{ path: "/session", code: "code", key: "K" }]);
});

for (const [status, at] of [[200, null], [403, "denied"], [404, "late"]] as const)
  test(`who asks to be let in waits for the answer ${status}`, async () => {
    let asked = 0;
    const { more } = knowing({
      "/challenge": json({ challenge: "C" }),
      "/session": json({}, 401),
      "/ask": json({ ask: "Q", number: "0042" }),
      "/asked": () => (++asked < 3 ? new Response("", { status: 202 }) : json({ token: "d".repeat(64) }, status)()),
    });
    const { around, sockets } = surroundings({});
    const client = new Client({ ...around, ...more });
    await client.start();
    assert.equal(client.state.link, "unauthorized");
    const numbers = new Set<string>();
    client.subscribe(({ entry }) => entry?.at === "waiting" && numbers.add(entry.number));
    await client.askIn();
    assert.deepEqual([...numbers], ["0042"]);
    assert.equal(client.state.entry?.at ?? null, at);
    assert.equal(sockets.length, at === null ? 1 : 0);
  });

test("where nobody is there to be asked, that is said", async () => {
  const { more } = knowing({ "/challenge": json({ challenge: "C" }) });
  const client = new Client({ ...surroundings({}).around, ...more });
  await client.start();
  await client.askIn();
  assert.deepEqual(client.state.entry, { at: "nobody" });
});

test("chat is read as the node writes it, and nothing else is", () => {
  assert.deepEqual(unpackChat(packChat("héllo\n🙂", 7).buffer), { text: "héllo\n🙂", number: 7 });
  assert.deepEqual(unpackChat(new Uint8Array(encode({ t: "chat", text: "x" })).buffer), { text: "x", number: null });
  assert.equal(unpackChat(packTaken(2 ** 32 - 1).buffer), 2 ** 32 - 1);
  for (const bad of [
    "text",
    new ArrayBuffer(0),
    new ArrayBuffer(30_000),
    new Uint8Array(encode({ t: "chat", text: "" })).buffer,
    new Uint8Array(encode({ t: "chat", text: "x", number: -1 })).buffer,
    new Uint8Array(encode({ t: "chat", text: "x", number: 2 ** 32 })).buffer,
    new Uint8Array(encode({ t: "chat-taken", number: "1" })).buffer,
    new Uint8Array(encode({ t: "chat-taken" })).buffer,
    new Uint8Array(encode({ t: "chat", text: "x".repeat(4_001) })).buffer,
    new Uint8Array(encode({ t: "hello" })).buffer,
    new Uint8Array(encode([1])).buffer,
    new Uint8Array([0xc1]).buffer,
  ])
    assert.equal(unpackChat(bad), null);
});

// ── rooms ────────────────────────────────────────────────────────────────────────────────────────
const ROOM = "cd".repeat(16);
const rooms = (...ids: string[]) =>
  ({ t: "rooms", rooms: ids.map((room) => ({ room, people: [] })), invitations: [], meetings: [] }) as unknown as FromNode;
const line = (text: string) =>
  ({ t: "room-line", room: ROOM, key: "ab".repeat(32), name: "Anna", mine: false, text, to: null }) as FromNode;

async function inRoom(): Promise<{ client: Client; hear: (message: FromNode) => void; drop: (code: number) => void }> {
  const { around, sockets } = surroundings();
  const client = new Client(around);
  await client.start();
  sockets[0]!.hear(WELCOME);
  sockets[0]!.hear(rooms(ROOM));
  return { client, hear: (message) => sockets[0]!.hear(message), drop: (code) => sockets[0]!.drop(code) };
}

test("a room's chat is kept while we are in it, bounded, and forgotten with it", async () => {
  const { client, hear } = await inRoom();
  for (let n = 0; n < 1_005; n++) hear(line(`${n}`));
  const lines = client.state.roomLines.get(ROOM)!;
  assert.equal(lines.length, 1_000);
  assert.equal(lines.at(-1)!.text, "1004");
  hear(rooms(ROOM));
  assert.equal(client.state.roomLines.get(ROOM)!.length, 1_000);
  hear(rooms());
  assert.equal(client.state.roomLines.size, 0);
});

test("a broken line forgets no chat of a room that goes on", async () => {
  const { client, hear, drop } = await inRoom();
  hear(line("hello"));
  drop(1006);
  assert.deepEqual(client.state.rooms.rooms, []);
  assert.equal(client.state.roomLines.get(ROOM)!.length, 1);
});

test("the end of a room is shown until it was read; a request to mute goes with the room", async () => {
  const { client, hear } = await inRoom();
  hear({ t: "room-mute-asked", room: ROOM, name: "Anna" });
  assert.equal(client.state.muteAsked!.name, "Anna");
  hear({ t: "room-over", room: ROOM, title: "Tea", reason: "ended", sentence: "The host ended it." });
  hear(rooms());
  assert.equal(client.state.muteAsked, null);
  assert.equal(client.state.roomOver!.reason, "ended");
  client.dismissRoomOver();
  assert.equal(client.state.roomOver, null);
});

test("only the last reactions are kept", async () => {
  const { client, hear } = await inRoom();
  for (let n = 0; n < 40; n++) hear({ t: "room-reaction", room: ROOM, key: "ab".repeat(32), name: "Anna", emoji: "👍" });
  assert.equal(client.state.reactions.length, 24);
});
