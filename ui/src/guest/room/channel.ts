// The sealed channel between two keys of a room (docs/PROTOCOL, Sealed channel), over frames that
// somebody else carries. onmeet_node/net/channels/channel.py is the nodes'.
import { x25519Of, type VisitKey } from "../../protocol/ed25519.js";
import { Answerer, Opener } from "../../protocol/noise-ik.js";
import { join, SealError, utf8, type Bytes } from "../../protocol/bytes.js";
import type { Cipher, Ephemeral, Finished } from "../../protocol/noise.js";
import { hex, pack, WireError } from "../../protocol/guest-messages.js";
import { BURST, RATE } from "../../protocol/room-tables.js";
import { MAX_CARRIED, MAX_TYPE_CHARS } from "../../protocol/tables.js";
import * as timing from "../../protocol/room-timing.js";
import { unhex, type Card, type FromSeat, type Key, type ToSeat } from "../../protocol/room-messages.js";

const PROTOCOL = "/onmeet/signal/2";
const KEY = 32;
const TAG = 8;
const MAX_LOST = 4;
/** Messages besides the hello that may ride in message 1. */
const MAX_FIRST = 8;

export type ChannelEnd = "bye" | "silent" | "malformed" | "flood" | "unanswered";

export interface ChannelOwner {
  send(frame: Bytes): void;
  /** The other side is proven. */
  opened(hello: Card): void;
  heard(message: FromSeat): void;
  ended(why: ChannelEnd): void;
}

/** What a visit has for all its channels. */
export interface Ends {
  readonly me: VisitKey;
  readonly name: string;
  readonly room: string;
  now(): number;
  ephemeral(): Promise<Ephemeral>;
  /** Reads a message. Throws `WireError`. */
  read(data: Bytes): FromSeat;
  /** Remembers an ephemeral key; false if it was seen before. */
  fresh(ephemeral: string): boolean;
}

/** A guest opens; where libp2p has the names of two nodes, here stand a guest's and the room's. */
export function prologue(room: string): Bytes {
  return join(utf8(PROTOCOL), ...["guest", `room:${room}`].flatMap((name) => [Uint8Array.of(name.length), utf8(name)]));
}

export class Channel {
  /** What names this channel when it was lost; null until it is open. */
  tag: Bytes | null = null;
  #send: Cipher | null = null;
  #receive: Cipher | null = null;
  #over = false;
  #heard: number;
  /** Whether they said anything since the handshake. */
  #spoken = false;
  #allowance = BURST;
  #counted: number;
  /** What came is dealt with in the order it came. */
  #order: Promise<void>;
  #opener: Opener | null = null;
  /** Pings that ask for what came before them, by their number; 0 asks for nothing. */
  #flushes = new Map<number, (taken: boolean) => void>();
  #asked = 0;

  private constructor(
    private readonly ends: Ends,
    private readonly remote: Key,
    private readonly owner: ChannelOwner,
    lost: readonly Bytes[] | null,
  ) {
    this.#heard = this.#counted = ends.now();
    this.#order = Promise.resolve();
    if (lost !== null) this.#order = this.#order.then(() => this.#work(() => this.#begin(lost)));
  }

  /** Opens a channel; `lost` are the tags of those that were lost, the latest last. */
  static open(ends: Ends, remote: Key, lost: readonly Bytes[], owner: ChannelOwner): Channel {
    return new Channel(ends, remote, owner, lost);
  }

  /** The other side opens it: `take` is given its message 1 first. */
  static answer(ends: Ends, remote: Key, owner: ChannelOwner): Channel {
    return new Channel(ends, remote, owner, null);
  }

  get open(): boolean {
    return this.#send !== null && !this.#over;
  }

  take(frame: Bytes): void {
    this.#order = this.#order.then(() => this.#work(() => this.#take(frame)));
  }

  say(message: ToSeat): void {
    if (this.#send === null || this.#over) return;
    const data = pack(message);
    // NOTE: what is too long for one frame would break the channel at its other end.
    if (data.length > MAX_CARRIED - 16) return;
    for (const frame of this.#send.say(data, this.ends.now())) this.owner.send(frame);
  }

  /** Looks whether the other side is still there. */
  look(): void {
    const silent = this.ends.now() - this.#heard;
    if (this.#send === null) {
      if (silent >= timing.OPEN) this.#end("unanswered");
      return;
    }
    // NOTE: a side that has two channels with us, of which it knows one as lost only by the other, may
    // give both up without a word; whoever keeps one speaks as soon as it is open.
    if (silent >= (this.#spoken ? timing.DEAD : timing.MUTE)) this.#end("silent");
    else if (silent >= (this.#spoken ? timing.PING : 0)) this.say({ t: "ping", n: 0 });
  }

  /** Whether the other side has taken all that was said until now. */
  flush(): Promise<boolean> {
    if (!this.open) return Promise.resolve(false);
    const n = ++this.#asked;
    return new Promise((done) => {
      this.#flushes.set(n, done);
      this.say({ t: "ping", n });
    });
  }

  /** Says good-bye, if there is somebody to say it to. `ended` is not called. */
  close(reason: string): void {
    this.say({ t: "bye", reason });
    this.#overNow();
  }

  /** When all that came until now is dealt with. */
  get settled(): Promise<void> {
    return this.#order;
  }

  /** Ends without a word: what carried it is gone, or another took its place. */
  drop(): void {
    this.#overNow();
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────
  async #work(step: () => void | Promise<void>): Promise<void> {
    if (this.#over) return;
    try {
      await step();
    } catch (error) {
      if (!(error instanceof SealError || error instanceof WireError)) throw error;
      this.say({ t: "bye", reason: "malformed" });
      this.#end("malformed");
    }
  }

  #end(why: ChannelEnd): void {
    if (this.#over) return;
    this.#overNow();
    this.owner.ended(why);
  }

  #overNow(): void {
    this.#over = true;
    for (const done of this.#flushes.values()) done(false);
    this.#flushes.clear();
  }

  async #begin(lost: readonly Bytes[]): Promise<void> {
    const { me, name, room } = this.ends;
    const tags = lost.slice(-MAX_LOST);
    const head = join(me.publicKey, Uint8Array.of(tags.length), ...tags, framed({ t: "hello", card: { name } }));
    const remoteStatic = x25519Of(unhex(this.remote));
    const ephemeral = await this.ends.ephemeral();
    const [noise, message] = await Opener.begin(
      { key: me.channel, remoteStatic, prologue: prologue(room), ephemeral },
      head,
    );
    this.#opener = noise;
    if (!this.#over) this.owner.send(message);
  }

  async #take(frame: Bytes): Promise<void> {
    this.#heard = this.ends.now();
    if (this.#receive !== null) {
      this.#spoken = true;
      this.#count();
      const heard = this.#receive.hear(frame);
      if (heard !== null) this.#message(this.ends.read(heard));
    } else if (this.#opener !== null) {
      const done = await this.#opener.finish(frame);
      const messages = this.#unframed(done.payload, 1);
      this.#established(done, messages[0]!);
    } else await this.#answer(frame);
  }

  async #answer(frame: Bytes): Promise<void> {
    const { me, name, room } = this.ends;
    const ephemeral = await this.ends.ephemeral();
    const noise = await Answerer.read({ key: me.channel, prologue: prologue(room), ephemeral }, frame);
    const { payload } = noise;
    const head = KEY + 1 + (payload[KEY] ?? 0) * TAG;
    if (payload.length < head || payload[KEY]! > MAX_LOST) throw new WireError("does not say who opens");
    // The key that was proven must be that of whom the frames are said to be from.
    const same = hex(payload.slice(0, KEY)) === this.remote && hex(x25519Of(unhex(this.remote))) === hex(noise.remoteStatic);
    if (!same || !this.ends.fresh(hex(frame.slice(0, KEY)))) throw new WireError("somebody else");
    const [hello, ...first] = this.#unframed(payload.slice(head), 1 + MAX_FIRST);
    const [message, done] = await noise.answer(framed({ t: "hello", card: { name } }));
    if (this.#over) return;
    this.owner.send(message);
    this.#established(done, hello!);
    for (const one of first) this.#message(one);
  }

  #established(done: Finished, hello: FromSeat): void {
    if (hello.t !== "hello") throw new WireError("no hello");
    if (this.#over) return;
    this.#send = done.send;
    this.#receive = done.receive;
    this.tag = done.hash.slice(0, TAG);
    this.owner.opened(hello.card);
  }

  /** Of messages of the other side so many at once, and so many a second in the long run. */
  #count(): void {
    const now = this.ends.now();
    this.#allowance = Math.min(BURST, this.#allowance + ((now - this.#counted) / 1_000) * RATE) - 1;
    this.#counted = now;
    if (this.#allowance >= 0) return;
    this.say({ t: "bye", reason: "flood" });
    this.#end("flood");
  }

  /** The messages in frames, one to `most` of them. */
  #unframed(data: Bytes, most: number): FromSeat[] {
    const messages: FromSeat[] = [];
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    for (let at = 0; at < data.length; ) {
      const end = data.length - at < 4 ? Infinity : at + 4 + view.getUint32(at);
      if (end > data.length || messages.length === most) throw new WireError("no whole messages inside");
      messages.push(this.ends.read(data.slice(at + 4, end)));
      at = end;
    }
    if (messages.length === 0) throw new WireError("no message inside");
    return messages;
  }

  #message(message: FromSeat): void {
    if (this.#over) return;
    switch (message.t) {
      case "ping":
        this.say({ t: "pong", n: message.n });
        break;
      case "pong":
        this.#flushes.get(message.n)?.(true);
        this.#flushes.delete(message.n);
        break;
      case "ignored":
        break;
      case "bye":
        this.say({ t: "bye", reason: "bye" });
        this.#end("bye");
        break;
      case "hello":
        throw new WireError("a second hello");
      case "unknown":
        this.say({ t: "unsupported", type: message.type.slice(0, MAX_TYPE_CHARS) });
        break;
      default:
        this.owner.heard(message);
    }
  }
}

function framed(message: ToSeat): Bytes {
  const body = pack(message);
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, body.length);
  return join(size, body);
}
