// A link into a room: what is said on the guest's line itself, and what is loaded for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ephemeralOf } from "./ephemeral.js";
import { GuestClient } from "../src/guest/client.js";
import type { VisitRoom } from "../src/guest/stage.js";
import { GuestVisit } from "../src/guest/room/visit.js";
import { hex } from "../src/protocol/guest-messages.js";
import { FakeSocket, LINK, settled } from "./host.js";
import { Member, ROOM, until, World } from "./room-world.js";

class Door {
  sockets: FakeSocket[] = [];
  delayed: (() => void)[] = [];
  now = 0;
  loads = 0;
  fails = false;
  visit: VisitRoom = (page, options) => GuestVisit.enter(page, options);
  began: string[] = [];
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
      (bytes) => new Uint8Array(bytes).fill(200),
      {
        call: () => Promise.reject(new Error("no call here")),
        room: async () => {
          this.loads += 1;
          if (this.fails) throw new Error("not loaded");
          return this.visit;
        },
      },
    );
    this.client.onCall = (id) => this.began.push(id);
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  async welcome(host: Uint8Array): Promise<void> {
    if (this.sockets.length === 0) await this.client.start();
    this.socket.open();
    await settled();
    await this.socket.welcome({ t: "welcome", card: { name: "Hedda" }, title: "Tuesday", knock: true, room: ROOM, host });
  }
}

test("a link into a room opens the channel of the room inside the line, and says nothing else on it", async () => {
  const door = new Door();
  const world = await World.make(["Hedda"]);
  const host = await Member.make(world, "Hedda", 10);
  await door.welcome(host.key.publicKey);
  assert.deepEqual([door.client.stage, door.client.toRoom, door.loads], [{ at: "door" }, true, 1]);
  host.world.toGuest = (_from, _by, _number, frame) => void door.socket.say({ t: "carry", data: frame });
  door.client.knock("Gerda", ["audio", "video"]);
  const carry = () => {
    for (const message of door.socket.heard()) {
      assert.equal(message["t"], "carry");
      host.take("line", 0, new Uint8Array(message["data"] as Uint8Array));
    }
    return host.of("room-knock").length > 0;
  };
  await until(carry, "a knock");
  assert.equal(host.of("room-knock")[0]!["name"], "Gerda");
  host.say({ t: "wait", state: "shown" });
  await until(() => door.client.stage.at === "knocking" && door.client.stage.state === "shown");
  host.say(host.sign(world.body()));
  await until(() => door.client.stage.at === "in");
  assert.deepEqual([door.client.room?.title, door.began], ["Tuesday", [hex(ROOM)]]);
  door.client.leave();
  assert.deepEqual(door.client.stage.at === "over" && door.client.stage.reason, "left");
  assert.deepEqual([door.client.room, door.client.name, door.socket.closed], [null, "", true]);
});

for (const [what, host, visits] of [
  ["its gateway", 10, 1],
  ["its host, in another room", 11, 2],
] as const)
  test(`who waits to be let into a room waits through a restart of ${what}`, async (t) => {
    const door = new Door();
    t.after(() => door.client.leave());
    const keyed = async (seed: number) => (await Member.make(await World.make(["Hedda"]), "Hedda", seed)).key.publicKey;
    let made = 0;
    door.visit = (page, options) => ((made += 1), GuestVisit.enter(page, options));
    await door.welcome(await keyed(10));
    door.client.knock("Gerda", ["audio"]);
    await until(() => door.socket.heard().some((one) => one["t"] === "carry"), "the channel of the room");
    for (const tries of [1, 2]) {
      door.socket.drop(4404);
      await settled();
      assert.deepEqual(door.client.stage, { at: "knocking", state: "sent", trying: { why: "no-door", tries } });
      door.client.tryNow();
    }
    await door.welcome(await keyed(host));
    await until(() => door.socket.heard().some((one) => one["t"] === "carry"), "the channel of the room, again");
    assert.deepEqual([door.client.stage, made], [{ at: "knocking", state: "sent" }, visits]);
  });

test("who could not reach the host for as long as a knock lasts goes on waiting", async () => {
  const world = await World.make(["Hedda"]);
  world.visit.line.opened(ROOM, world.host.key.publicKey);
  world.dropLine();
  await world.pass(130_000);
  assert.deepEqual([world.finished, world.renewed], [null, 1]);
});

test("a link that was closed says so before anybody is in, and a part that does not load can be tried again", async () => {
  const door = new Door();
  await door.welcome(new Uint8Array(32).fill(1));
  await door.socket.say({ t: "deny", reason: "link-closed" });
  assert.deepEqual(door.client.stage, { at: "denied", reason: "link-closed" });
  const other = new Door();
  other.fails = true;
  await other.welcome(new Uint8Array(32).fill(1));
  other.client.knock("Gerda", ["audio"]);
  await settled();
  assert.deepEqual(other.client.stage, { at: "failed", why: "lost" });
  other.fails = false;
  other.client.again();
  await other.welcome(new Uint8Array(32).fill(1));
  assert.deepEqual([other.client.stage, other.loads], [{ at: "door" }, 3]);
  other.client.leave();
});

test("who leaves while the part is loaded has left", async () => {
  const door = new Door();
  let loaded: (visit: GuestVisit) => void = () => undefined;
  let left = 0;
  door.visit = () => new Promise((done) => (loaded = done));
  await door.welcome(new Uint8Array(32).fill(1));
  door.client.knock("Gerda", ["audio"]);
  await settled();
  door.client.leave();
  loaded({ leave: () => (left += 1) } as unknown as GuestVisit);
  await settled();
  assert.deepEqual([door.client.stage.at, left], ["over", 1]);
});
