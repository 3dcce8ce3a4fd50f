// A guest's way in: knocks, calls, lines that break, hosts that say no, gateways that cheat.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FromNode } from "../src/node/messages.js";
import { ephemeralOf } from "./ephemeral.js";
import { GuestClient } from "../src/guest/client.js";
import type { Bytes } from "../src/protocol/bytes.js";
import { commitment } from "../src/protocol/call-authentication.js";
import { FakeSocket, LINK, settled } from "./host.js";

const SDP = (byte: string) => `v=0\r\na=fingerprint:sha-256 ${Array(32).fill(byte).join(":")}\r\n`;
const GUEST = new Uint8Array(32).fill(255);
const TICKET = new Uint8Array(16).fill(4);
const NONCE = new Uint8Array(16).fill(5);

class Scene {
  sockets: FakeSocket[] = [];
  told: FromNode[] = [];
  delayed: (() => void)[] = [];
  now = 0;
  part = Promise.resolve();
  client: GuestClient;

  constructor() {
    this.client = new GuestClient(
      LINK,
      {
        connect: () => {
          const socket = new FakeSocket();
          this.sockets.push(socket);
          return socket as unknown as WebSocket;
        },
        now: () => this.now,
        key: () => Promise.resolve(ephemeralOf(new Uint8Array(32).fill(20 + this.sockets.length))),
      },
      (run) => this.delayed.push(run),
      (bytes) => new Uint8Array(bytes).fill(7),
      { call: () => this.part, room: () => Promise.reject(new Error("no rooms here")) },
    );
    this.client.hear((message) => this.told.push(message));
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  async arrive(knock = true, once = false): Promise<this> {
    if (this.sockets.length === 0) await this.client.start();
    this.socket.open();
    await settled();
    await this.socket.welcome({ t: "welcome", card: { name: "Hedda" }, title: "Tuesday", knock, once });
    return this;
  }

  async enter(): Promise<this> {
    await this.arrive();
    this.client.knock("Gerda", ["audio", "video"]);
    await this.socket.say({ t: "admit", guest: GUEST, ticket: TICKET, servers: [] });
    return this;
  }

  /** The page has made an offer, the host takes the call. */
  async talk(): Promise<this> {
    await this.enter();
    this.client.tell({ t: "described", session: 1, sdp: SDP("AA") });
    const call = new Uint8Array(16).fill(7);
    await this.socket.say({ t: "accept", call });
    await this.socket.say({ t: "answer", call, generation: 0, sdp: SDP("BB"), nonce: NONCE });
    this.client.tell({ t: "media-connected", session: 1, path: "host", server: null });
    await settled();
    return this;
  }

  /** What was planned last comes due. */
  retry(): void {
    this.delayed.pop()!();
  }

  /** The line comes back. */
  async back(): Promise<void> {
    this.retry();
    await this.arrive();
  }

  done(): void {
    this.client.leave();
  }

  get stage() {
    return this.client.stage;
  }

  asked(t: string): FromNode[] {
    return this.told.filter((one) => one.t === t);
  }
}

const CALL = new Uint8Array(16).fill(7);

test("the page learns who is behind the door before anybody knocks", async () => {
  const scene = await new Scene().arrive();
  assert.deepEqual(scene.stage, { at: "door" });
  assert.equal(scene.client.host, "Hedda");
  assert.equal(scene.client.title, "Tuesday");
  assert.deepEqual(scene.socket.heard(), []);
  scene.done();
});

test("a knock tells a name, and what truly became of it", async () => {
  const scene = await new Scene().arrive();
  scene.client.knock("Gerda", ["audio"]);
  assert.deepEqual(scene.socket.heard(), [{ t: "knock", name: "Gerda" }]);
  for (const state of ["delivered", "shown", "busy"] as const) {
    await scene.socket.say({ t: "wait", state });
    assert.deepEqual(scene.stage, { at: "knocking", state });
  }
  scene.done();
});

for (const once of [true, false])
  test(`a link for ${once ? "one guest" : "many"} is said to be used when the guest is let in, and not before`, async () => {
    const scene = new Scene();
    let used = 0;
    scene.client.onUsed = () => used++;
    await scene.arrive(true, once);
    scene.client.knock("Gerda", ["audio"]);
    await scene.socket.say({ t: "wait", state: "shown" });
    assert.equal(used, 0);
    const admit = { t: "admit", guest: GUEST, ticket: TICKET, servers: [] };
    await scene.socket.say(admit);
    await scene.socket.say(admit);
    assert.equal(used, once ? 1 : 0);
    assert.equal(scene.client.used, once);
    scene.done();
  });

test("an admitted guest offers at once, and the call goes as every call", async () => {
  const scene = await new Scene().talk();
  assert.deepEqual(scene.stage, { at: "in" });
  const said = scene.socket.heard();
  assert.deepEqual(said.map((one) => one["t"]), ["knock", "invite", "reveal"]);
  assert.equal(said[1]!["sdp"], SDP("AA"));
  assert.deepEqual(commitment(CALL, 0, said[2]!["nonce"] as Bytes), said[1]!["commitment"], "as it had promised");
  assert.deepEqual(scene.asked("make-offer"), [{ t: "make-offer", session: 1 }]);
  assert.equal(scene.asked("attach-media").length, 1);
  assert.deepEqual(scene.asked("take-answer"), [{ t: "take-answer", session: 1, sdp: SDP("BB") }]);
  assert.equal(scene.client.state.calls[0]?.state, "connected");
  assert.match(scene.client.state.calls[0]?.sas ?? "", /^\d{3} \d{3}$/);
  scene.client.tell({ t: "tell-media", call: "07".repeat(16), muted: true, camera_off: false, sharing: false });
  assert.equal(scene.socket.heard()[0]!["muted"], true);
  scene.client.leave();
  assert.deepEqual(scene.socket.heard().map((one) => one["t"]), ["hangup", "bye"]);
  assert.deepEqual(scene.asked("close-media").length, 1);
  assert.equal(scene.client.name, "");
});

for (const reason of ["denied", "link-closed", "expired", "full", "no-answer"])
  test(`who is not let in (${reason}) is told why`, async () => {
    const scene = await new Scene().arrive();
    scene.client.knock("Gerda", ["audio"]);
    await scene.socket.say({ t: "deny", reason });
    await scene.socket.say({ t: "bye", reason });
    assert.deepEqual(scene.stage, { at: "denied", reason });
    assert.equal(scene.socket.closed, true);
  });

const CODES = [
  [1001, "gateway-stops"],
  [4400, "malformed"],
  [4404, "no-door"],
  [4408, "too-slow"],
  [4410, "host-gone"],
  [4429, "too-many"],
  [1006, "lost"],
] as const;
for (const [code, why] of CODES)
  test(`who types a name when the gateway closes with ${code} ${why === "malformed" ? "is told" : "goes on typing"}`, async () => {
    const scene = await new Scene().arrive();
    scene.client.nameTyped("Marie-Cl");
    scene.socket.drop(code);
    await settled();
    if (why === "malformed") return assert.deepEqual(scene.stage, { at: "failed", why });
    assert.deepEqual(scene.stage, { at: "door", trying: { why, tries: 1 } });
    await scene.back();
    assert.deepEqual(scene.stage, { at: "door" });
    assert.equal(scene.client.name, "Marie-Cl");
    scene.done();
  });

test("who comes before the host's node is up sees each try, and is at the door when it opens", async () => {
  const scene = new Scene();
  await scene.client.start();
  for (let tries = 1; tries <= 200; tries++) {
    scene.socket.open();
    scene.socket.drop(4404);
    await settled();
    assert.deepEqual(scene.stage, { at: "failed", why: "no-door", trying: { why: "no-door", tries } });
    scene.now += 12_000;
    if (tries < 200) scene.retry();
  }
  await scene.back();
  assert.deepEqual(scene.stage, { at: "door" });
  scene.done();
});

test("who knocked waits through every break, and knocks anew when the door is there", async () => {
  const scene = await new Scene().arrive();
  scene.client.knock("Gerda", ["audio"]);
  for (const code of [1001, 4404, 4410, 1006, 4404, 4429]) {
    scene.now += 60_000;
    scene.socket.drop(code);
    await settled();
    assert.equal(scene.stage.at === "knocking" && scene.stage.trying?.tries, 1, `${code}`);
    await scene.back();
    assert.deepEqual(scene.socket.heard().map((one) => one["name"]), ["Gerda"]);
    assert.deepEqual(scene.stage, { at: "knocking", state: "sent" });
  }
  await scene.socket.say({ t: "admit", guest: GUEST, ticket: TICKET, servers: [] });
  assert.deepEqual(scene.stage, { at: "in" });
  scene.done();
});

test("a name said while the line is away is said when it is back", async () => {
  const scene = await new Scene().arrive();
  scene.socket.drop(1001);
  await settled();
  scene.client.knock("Gerda", ["audio"]);
  await scene.arrive();
  assert.deepEqual(scene.socket.heard().map((one) => one["name"]), ["Gerda"]);
  scene.done();
});

test("a link that was used here, or has expired, is not tried on", async () => {
  const scene = await new Scene().arrive(true, true);
  scene.client.used = true;
  scene.socket.drop(4404);
  await settled();
  assert.deepEqual(scene.stage, { at: "failed", why: "no-door" });
  assert.equal(scene.delayed.length, 0);
});

test("of tries that were planned, and one that a person asks for, one is made", async () => {
  const scene = new Scene();
  await scene.client.start();
  scene.socket.drop(4404);
  await settled();
  scene.client.tryNow();
  scene.client.tryNow();
  scene.retry();
  assert.equal(scene.sockets.length, 2);
  scene.socket.drop(4404);
  await settled();
  scene.client.leave();
  for (const run of scene.delayed) run();
  assert.equal(scene.sockets.length, 2, "and who has left is not brought back");
});

test("what the gateway alters, drops, repeats or swaps is noticed, and ends the call", async () => {
  const tricks: Record<string, (frames: Uint8Array<ArrayBuffer>[]) => Uint8Array<ArrayBuffer>[]> = {
    alter: ([one]) => {
      one![2]! ^= 1;
      return [one!];
    },
    drop: ([, two]) => [two!],
    repeat: ([one]) => [one!, one!],
    swap: ([one, two]) => [two!, one!],
  };
  for (const [name, trick] of Object.entries(tricks)) {
    const scene = await new Scene().talk();
    const state = { t: "media-state", call: CALL, muted: true };
    for (const frame of trick([scene.socket.seal(state), scene.socket.seal(state)])) scene.socket.raw(frame);
    await settled();
    assert.deepEqual({ ...scene.stage, seconds: 0 }, { at: "over", reason: "tampered", seconds: 0 }, name);
    assert.deepEqual(scene.client.state.calls, [], name);
  }
});

test("a gateway that answers in the host's place proves nothing", async () => {
  const scene = new Scene();
  await scene.client.start();
  scene.socket.open();
  await settled();
  scene.socket.raw(new Uint8Array(120).fill(1));
  await settled();
  assert.deepEqual(scene.stage, { at: "failed", why: "tampered" });
});

test("what is no message of ours ends the line, not the page", async () => {
  for (const bad of [{ t: "admit" }, { t: "welcome", title: 5 }, { t: "wait", state: 5 }, { t: "answer", call: CALL }, [1], 5]) {
    const scene = await new Scene().arrive();
    await scene.socket.say(bad as object);
    assert.deepEqual(scene.stage, { at: "failed", why: "malformed" }, JSON.stringify(bad));
  }
});

test("what a later version says is answered with unsupported", async () => {
  const scene = await new Scene().arrive();
  await scene.socket.say({ t: "levitate" });
  assert.deepEqual(scene.socket.heard(), [{ t: "unsupported", type: "levitate" }]);
  await scene.socket.say({ t: "accept", call: CALL, kinds: ["hologram"] });
  assert.deepEqual(scene.socket.heard(), [{ t: "unsupported", type: "accept" }]);
  await scene.socket.say({ t: "wait", state: "asked-a-neighbour", since: new Date(1) });
  assert.deepEqual(scene.socket.heard(), []);
  assert.notEqual(scene.stage.at, "failed");
  scene.done();
});

test("a line that breaks comes back into the same call with the ticket", async () => {
  const scene = await new Scene().talk();
  scene.socket.drop(1006);
  await settled();
  assert.equal(scene.client.state.calls[0]?.state, "connected", "sound and picture go on");
  assert.deepEqual(scene.asked("suspect-media"), [{ t: "suspect-media", session: 1 }]);
  scene.delayed.shift()!();
  await scene.arrive();
  assert.deepEqual(scene.socket.heard(), [{ t: "knock", name: "Gerda", ticket: TICKET }]);
  await scene.socket.say({ t: "admit", guest: GUEST, ticket: TICKET, servers: [] });
  assert.equal(scene.asked("make-offer").length, 1);
  scene.done();
});

test("an offer that the host may have missed is made again over the new line", async () => {
  const scene = await new Scene().enter();
  scene.client.tell({ t: "described", session: 1, sdp: SDP("AA") });
  scene.socket.drop(1006);
  await settled();
  scene.delayed.shift()!();
  await scene.arrive();
  await scene.socket.say({ t: "admit", guest: GUEST, ticket: TICKET, servers: [] });
  assert.deepEqual(scene.socket.heard().map((one) => one["t"]), ["knock", "invite"]);
  scene.done();
});

test("a call goes on without a line for as long as its media does, and comes back to it", async () => {
  const scene = await new Scene().talk();
  for (const code of [1006, 4410, 4404]) {
    scene.socket.drop(code);
    await settled();
    scene.now += 60_000;
    scene.delayed.shift()!();
  }
  assert.equal(scene.client.state.calls[0]?.state, "connected");
  await scene.arrive();
  assert.deepEqual(scene.socket.heard(), [{ t: "knock", name: "Gerda", ticket: TICKET }]);
  scene.done();
});

test("with neither a line nor media the call is over after its patience", async () => {
  const scene = await new Scene().talk();
  scene.socket.drop(1006);
  await settled();
  scene.client.tell({ t: "media-path-lost", session: 1 });
  assert.equal(scene.client.state.calls[0]?.state, "reconnecting");
  scene.delayed.shift()!();
  scene.socket.drop(4410);
  await settled();
  scene.now += 60_000;
  scene.delayed.shift()!();
  scene.socket.drop(4410);
  await settled();
  assert.deepEqual({ ...scene.stage, seconds: 0 }, { at: "over", reason: "connection-lost", seconds: 0 });
});

test("media that is lost is offered anew by the guest, in odd generations", async () => {
  const scene = await new Scene().talk();
  scene.socket.heard();
  scene.client.tell({ t: "media-path-lost", session: 1 });
  scene.client.tell({ t: "described", session: 2, sdp: SDP("CC") });
  const [offer] = scene.socket.heard();
  assert.equal(offer!["t"], "renegotiate");
  assert.ok(offer!["commitment"] instanceof Uint8Array);
  assert.equal(offer!["generation"], 3);
  await scene.socket.say({ t: "answer", call: CALL, generation: 3, sdp: SDP("DD") });
  assert.deepEqual(scene.asked("close-media"), [], "it plays on until another takes its place");
  scene.client.tell({ t: "media-connected", session: 2, path: "relay", server: null });
  assert.deepEqual(scene.asked("close-media"), [{ t: "close-media", session: 1 }]);
  scene.done();
});

test("an answer that is said again is answered by the nonce again", async () => {
  const scene = await new Scene().talk();
  const shown = scene.client.state.calls[0]!.sas;
  const [reveal] = scene.socket.heard().slice(-1);
  await scene.socket.say({ t: "answer", call: CALL, generation: 0, sdp: SDP("BB"), nonce: new Uint8Array(16) });
  assert.deepEqual(scene.socket.heard(), [reveal]);
  assert.equal(scene.client.state.calls[0]!.sas, shown, "what was said first counts");
  scene.done();
});

test("a host that shows no nonce gets none, and there is no string", async () => {
  const scene = await new Scene().enter();
  scene.client.tell({ t: "described", session: 1, sdp: SDP("AA") });
  await scene.socket.say({ t: "accept", call: CALL });
  await scene.socket.say({ t: "answer", call: CALL, generation: 0, sdp: SDP("BB") });
  assert.deepEqual(scene.socket.heard().map((one) => one["t"]), ["knock", "invite"]);
  const { sas, doubt } = scene.client.state.calls[0]!;
  assert.deepEqual([sas, doubt], [null, "missing"]);
  scene.done();
});

/** Bob's host re-offers, and reveals `nonce` for what it committed to. */
async function reoffered(committed: Bytes | null, revealed: readonly Bytes[]) {
  const scene = await new Scene().talk();
  await scene.socket.say({ t: "renegotiate", call: CALL, generation: 2, sdp: SDP("EE"), ...(committed === null ? {} : { commitment: committed }) });
  scene.client.tell({ t: "described", session: 2, sdp: SDP("FF") });
  const answer = scene.socket.heard().at(-1)!;
  for (const nonce of revealed) await scene.socket.say({ t: "reveal", call: CALL, generation: 2, nonce });
  const { sas, doubt } = scene.client.state.calls[0]!;
  scene.done();
  return { answered: answer["nonce"] !== undefined, sas, doubt };
}

test("a host that re-offers reveals what it had promised, or there is no string", async () => {
  const first = await new Scene().talk();
  const before = first.client.state.calls[0]!.sas;
  first.done();
  const committed = commitment(CALL, 2, NONCE);
  const good = await reoffered(committed, [NONCE, NONCE]);
  assert.ok(good.answered);
  assert.match(good.sas ?? "", /^\d{3} \d{3}$/);
  assert.notEqual(good.sas, before);
  const wrong = new Uint8Array(16);
  assert.deepEqual(await reoffered(committed, [wrong, NONCE]), { answered: true, sas: null, doubt: "wrong" });
  assert.deepEqual(await reoffered(null, [NONCE]), { answered: false, sas: null, doubt: "missing" });
});

test("media that was only late comes back, and what was offered in its place takes it later", async () => {
  const scene = await new Scene().talk();
  scene.client.tell({ t: "media-path-lost", session: 1 });
  scene.client.tell({ t: "described", session: 2, sdp: SDP("CC") });
  assert.equal(scene.client.state.calls[0]!.state, "reconnecting");
  scene.client.tell({ t: "media-connected", session: 1, path: "host", server: null });
  assert.equal(scene.client.state.calls[0]!.state, "connected");
  scene.client.tell({ t: "media-path-lost", session: 1 });
  assert.equal(scene.asked("make-offer").length, 2, "an offer is under way already");
  scene.client.tell({ t: "media-connected", session: 2, path: "relay", server: null });
  assert.deepEqual(scene.asked("close-media"), [{ t: "close-media", session: 1 }]);
  scene.done();
});

test("of two offers that cross the greater generation counts", async () => {
  const scene = await new Scene().talk();
  scene.client.tell({ t: "media-path-lost", session: 1 }); // ours: 3
  await scene.socket.say({ t: "renegotiate", call: CALL, generation: 2, sdp: SDP("EE") });
  assert.equal(scene.asked("take-offer").length, 0);
  await scene.socket.say({ t: "renegotiate", call: CALL, generation: 4, sdp: SDP("EE") });
  assert.deepEqual(scene.asked("take-offer"), [{ t: "take-offer", session: 3, sdp: SDP("EE") }]);
  scene.client.tell({ t: "described", session: 3, sdp: SDP("FF") });
  const answer = scene.socket.heard().at(-1)!;
  assert.deepEqual([answer["t"], answer["generation"]], ["answer", 4]);
  scene.done();
});

test("who is sent out of the call is told so", async () => {
  const scene = await new Scene().talk();
  await scene.socket.say({ t: "deny", reason: "removed" });
  assert.equal(scene.stage.at === "over" && scene.stage.reason, "removed");
});

test("messages about another call change nothing", async () => {
  const scene = await new Scene().talk();
  await scene.socket.say({ t: "hangup", call: new Uint8Array(16).fill(8) });
  assert.deepEqual(scene.stage, { at: "in" });
  scene.done();
});
