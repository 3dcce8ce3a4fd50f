// A room in memory for tests of its guests: members who speak the protocol, a clock that is set, and
// a page whose media connects as soon as both descriptions are there.
import assert from "node:assert/strict";
import { decode, encode } from "@msgpack/msgpack";
import { ed25519 } from "@noble/curves/ed25519.js";
import { visitKey, type VisitKey } from "../src/protocol/ed25519.js";
import type { FromNode, Kind, RoomShown } from "../src/node/messages.js";
import { hash, join, utf8, type Bytes } from "../src/protocol/bytes.js";
import { ephemeralOf } from "./ephemeral.js";
import type { RoomPage, Stage } from "../src/guest/stage.js";
import { Channel, type ChannelEnd } from "../src/guest/room/channel.js";
import { commitment } from "../src/protocol/room-authentication.js";
import { GuestVisit } from "../src/guest/room/visit.js";
import { unhex, unpack, type FromSeat, type Key } from "../src/protocol/room-messages.js";
import { hex } from "../src/protocol/guest-messages.js";

export const ROOM = new Uint8Array(16).fill(7);
export const SDP = (byte: string) => `v=0\r\na=fingerprint:sha-256 ${Array(32).fill(byte).join(":")}\r\n`;

/** Waits, in real time, for what is being computed. */
export async function until(done: () => boolean, what = "it"): Promise<void> {
  for (let turn = 0; turn < 2_000; turn++) {
    if (done()) return;
    await new Promise((next) => setTimeout(next, 2));
  }
  throw new Error(`${what} did not happen`);
}

/** As long as a few messages take to go through everything. */
export const calm = async () => {
  for (let turn = 0; turn < 15; turn++) await new Promise((next) => setTimeout(next, 2));
};

export interface SeatSaid {
  key: Bytes;
  role: string;
  order: number;
  name: string;
  video?: boolean;
}

let ephemerals = 0;
const ephemeral = () => {
  const secret = new Uint8Array(32).fill(77);
  new DataView(secret.buffer).setUint32(0, ++ephemerals);
  return Promise.resolve(ephemeralOf(secret));
};

type SentBy = "line" | "pipe" | "media";

export class Member {
  channel: Channel | null = null;
  by: SentBy | null = null;
  number = 0;
  heard: Record<string, unknown>[] = [];
  /** Handshakes with the guest that were finished. */
  opened = 0;
  ended: ChannelEnd | null = null;
  alive = true;
  #seen = new Set<string>();

  private constructor(
    readonly world: World,
    readonly name: string,
    readonly seed: Bytes,
    readonly key: VisitKey,
    readonly id: Key,
  ) {}

  static async make(world: World, name: string, byte: number): Promise<Member> {
    const seed = new Uint8Array(32).fill(byte);
    const key = await visitKey(seed);
    return new Member(world, name, seed, key, hex(key.publicKey));
  }

  ends() {
    return {
      me: this.key,
      name: this.name,
      room: hex(ROOM),
      now: () => this.world.now,
      ephemeral,
      // What nodes read of guests, and guests of nobody.
      read: (data: Bytes) => {
        const message = unpack(data);
        return message.t === "ignored" ? (decode(data) as FromSeat) : message;
      },
      fresh: (key: string) => !this.#seen.has(key) && this.#seen.add(key) !== undefined,
    };
  }

  owner(by: SentBy, number: number) {
    return {
      send: (frame: Bytes) => this.world.toGuest(this, by, number, frame),
      opened: () => {
        this.opened += 1;
        this.ended = null;
      },
      heard: (message: FromSeat) => this.world.atMember(this, message),
      ended: (why: ChannelEnd) => void (this.ended = why),
    };
  }

  take(by: SentBy, number: number, frame: Bytes): void {
    if (!this.alive) return;
    if (by !== "line" && number < this.number) return;
    if (this.channel === null || (by === "line" ? this.by !== "line" : number > this.number)) {
      if (by !== "line") this.number = number;
      this.by = by;
      this.channel?.drop();
      this.channel = Channel.answer(this.ends(), this.world.guestId, this.owner(by, number));
    } else if (by !== this.by) return;
    this.channel.take(frame);
  }

  /** A guest who came later opens to the guest under test. */
  open(number: number): Channel {
    this.number = number;
    this.by = "pipe";
    return (this.channel = Channel.open(this.ends(), this.world.guestId, [], this.owner("pipe", number)));
  }

  say(message: object): void {
    this.channel?.say(message as never);
  }

  of(t: string): Record<string, unknown>[] {
    return this.heard.filter((one) => one["t"] === t);
  }

  /** Says its part of the room's string: a commitment, and perhaps the number. */
  commit(number: number, show = false): void {
    const { digest } = this.world;
    const nonce = new Uint8Array(16).fill(number);
    this.say({ t: "here", digest: unhex(digest), commitment: commitment(digest, this.id, nonce), nonce: show ? nonce : undefined });
  }

  sign(body: object): object {
    const data = new Uint8Array(encode({ t: "roster-body", ...body }, { ignoreUndefined: true }));
    if (this === this.world.host) this.world.digest = hex(hash(data, 16));
    const signature = ed25519.sign(join(utf8("onmeet room roster 1"), data), this.seed);
    return { t: "roster", body: data, signer: this.key.publicKey, signature };
  }
}

export class World {
  now = 0;
  timers: { at: number; run: () => void }[] = [];
  members: Member[] = [];
  told: FromNode[] = [];
  stages: Stage[] = [];
  shown: RoomShown | null = null;
  finished: Stage | null = null;
  linesOpened = 0;
  /** How often the visit asked for another in its place. */
  renewed = 0;
  lineOpen = false;
  guestId = "";
  visit!: GuestVisit;
  host!: Member;
  /** Who passes frames on in the host's place. */
  carrier: Member | null = null;
  /** Whether the host passes frames on. */
  passes = true;
  /** Changes a frame on its way through the host. */
  tamper: ((frame: Bytes) => Bytes) | null = null;
  connects = true;
  version = 0;
  /** Of the roster that the host made last. */
  digest = "";
  #sessions = 0;

  static async make(names: string[], kinds: Kind[] = ["audio", "video"]): Promise<World> {
    const world = new World();
    for (const [index, name] of names.entries()) world.members.push(await Member.make(world, name, 10 + index));
    world.host = world.members[0]!;
    const seed = new Uint8Array(32).fill(200);
    world.guestId = hex((await visitKey(seed)).publicKey);
    world.visit = await GuestVisit.enter(world.#page(seed), {
      room: ROOM,
      host: world.host.key.publicKey,
      name: "Gerda",
      kinds,
    });
    return world;
  }

  #page(seed: Bytes): RoomPage {
    let ids = 0;
    return {
      browser: { now: () => this.now, key: ephemeral },
      openLine: () => void (this.linesOpened += 1),
      closeLine: () => void (this.lineOpen = false),
      trying: (why) => ({ why, tries: 1 }),
      renew: () => void (this.renewed += 1),
      carry: (data) => {
        if (this.lineOpen) this.host.take("line", 0, data);
      },
      take: (message) => this.#take(message),
      show: (room) => void (this.shown = room),
      stage: (stage) => void this.stages.push(stage),
      finish: (stage) => void (this.finished = stage),
      number: () => ++this.#sessions,
      after: (ms, run) => {
        const timer = { at: this.now + ms, run };
        this.timers.push(timer);
        return () => void (this.timers = this.timers.filter((one) => one !== timer));
      },
      random: (bytes) => (bytes === 32 ? seed : new Uint8Array(bytes).fill(++ids)),
    };
  }

  /** The page's media, which does at once what it is asked. */
  #take(message: FromNode): void {
    this.told.push(message);
    const later = (run: () => void) => setTimeout(run, 0);
    if (message.t === "make-offer" || message.t === "take-offer")
      later(() => {
        this.visit.tell({ t: "described", session: message.session, sdp: SDP("AA") });
        if (message.t === "take-offer" && this.connects)
          this.visit.tell({ t: "media-connected", session: message.session, path: "host", server: null });
      });
    else if (message.t === "take-answer" && this.connects)
      later(() => this.visit.tell({ t: "media-connected", session: message.session, path: "host", server: null }));
    else if (message.t === "carry-media") {
      const person = this.shown?.people.find((one) => one.session === message.session);
      const number = new DataView(message.data.buffer, message.data.byteOffset).getUint32(0);
      this.members.find((one) => one.id === person?.key)?.take("media", number, new Uint8Array(message.data.slice(4)));
    }
  }

  toGuest(from: Member, by: SentBy, number: number, frame: Bytes): void {
    if (by === "line") {
      if (this.lineOpen) this.visit.line.carried(frame);
    } else if (by === "media") {
      const session = this.shown?.people.find((one) => one.key === from.id)?.session;
      const head = new Uint8Array(4);
      new DataView(head.buffer).setUint32(0, number);
      if (session != null) this.visit.tell({ t: "carried", session, data: join(head, frame) });
    } else if (this.passes && (this.carrier ?? this.host).alive)
      (this.carrier ?? this.host).say({ t: "pipe", key: from.key.publicKey, pipe: number, data: this.tamper?.(frame) ?? frame });
  }

  atMember(member: Member, message: FromSeat): void {
    if (message.t === "pipe") {
      // To be passed on: read by nobody but who passes it on, so it comes here as it is.
      const said = message as unknown as { key: Bytes; onward?: boolean; pipe: number; data: Bytes };
      assert.equal(said.onward, true);
      if (this.passes) this.members.find((one) => one.id === hex(said.key))?.take("pipe", said.pipe, said.data);
      return;
    }
    member.heard.push(message as Record<string, unknown>);
    const call = "call" in message ? unhex(message.call) : null;
    if (message.t === "invite") {
      member.say({ t: "accept", call });
      member.say({ t: "answer", call, generation: 0, sdp: SDP("BB") });
    } else if (message.t === "renegotiate")
      member.say({ t: "answer", call, generation: message.generation, sdp: SDP("CC") });
  }

  // ── the room ──────────────────────────────────────────────────────────────────────────────────
  seats(...members: Member[]): SeatSaid[] {
    return members.map((one, order) => ({
      key: one.key.publicKey,
      role: one === this.host ? "host" : one.name.startsWith("guest") ? "guest" : "member",
      order,
      name: one.name,
    }));
  }

  body(change: object = {}, ...members: Member[]): Record<string, unknown> {
    const seats = this.seats(...(members.length > 0 ? members : this.members));
    const me = { key: unhex(this.guestId), role: "guest", order: seats.length, name: "Gerda" };
    return {
      room: ROOM,
      host: this.host.key.publicKey,
      version: ++this.version,
      next_order: 20,
      title: "Tuesday",
      seats: [...seats, me],
      ...change,
    };
  }

  openLine(): void {
    this.lineOpen = true;
    this.host.channel = null;
    this.visit.line.opened(ROOM, this.host.key.publicKey);
  }

  /** At the door, with a knock. */
  async arrive(): Promise<this> {
    this.openLine();
    await until(() => this.host.of("room-knock").length > 0, "a knock");
    return this;
  }

  /** In, and lent what is needed to dial. */
  async enter(): Promise<this> {
    await this.arrive();
    this.host.say(this.host.sign(this.body()));
    this.host.say({ t: "lent", servers: [{ url: "turn:t.example", username: "u", credential: "c" }] });
    await until(() => this.shown !== null, "being let in");
    return this;
  }

  /** In, with media from everybody. */
  async talk(): Promise<this> {
    await this.enter();
    await until(() => this.shown!.people.every((one) => one.media), "media from everybody");
    return this;
  }

  async pass(ms: number): Promise<void> {
    await calm();
    const end = this.now + ms;
    for (;;) {
      const next = this.timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((one) => one !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
      await new Promise((done) => setTimeout(done, 1));
    }
    this.now = end;
    await calm();
  }

  dropLine(): void {
    this.lineOpen = false;
    this.visit.line.ended("host-gone");
  }

  person(one: Member | string) {
    const key = typeof one === "string" ? one : one.id;
    return this.shown?.people.find((person) => person.key === key);
  }

  /** Why the visit is over, if it is. */
  get ends(): string[] {
    return this.finished?.at === "over" ? [this.finished.reason] : [];
  }

  asked(t: string): FromNode[] {
    return this.told.filter((one) => one.t === t);
  }
}
