// All channels of a visit, and the three ways in which their frames travel (docs/PROTOCOL, Guests in
// rooms): on the line to the door, through the room's host (or who would follow it), and beside the
// media of a pair.
import { join, type Bytes } from "../../protocol/bytes.js";
import { Channel, type ChannelEnd, type Ends } from "./channel.js";
import { unhex, type Card, type FromSeat, type Key, type ToSeat } from "../../protocol/room-messages.js";
import { MAX_COUNT } from "../../protocol/room-tables.js";

type Way =
  | { by: "line" }
  /** `via`: who passes frames on. */
  | { by: "pipe"; via: Key }
  | { by: "media"; session: number };

export interface RoomTransportOwner {
  opened(key: Key, card: Card): void;
  heard(key: Key, message: FromSeat): void;
  /** No channel with this key any more, or none could be opened. */
  lost(key: Key): void;
  /** Who passes frames on: the host, then who would follow it. */
  carriers(): readonly Key[];
  /** Whether somebody may open a channel to us. */
  welcome(key: Key): boolean;
  /** The session of the pair whose media is up; null: it is not. */
  session(key: Key): number | null;
  /** Whether the line is open to this key. */
  line(key: Key): boolean;
  /** The channel on the line is over, and a line carries no second one. */
  lineBroke(): void;
  carry(data: Bytes): void;
  carryMedia(session: number, data: Bytes): void;
}

interface Peer {
  /** The greatest number of an attempt, of ours or theirs. */
  number: number;
  /** In use, or being opened in place of none. */
  channel: Channel | null;
  way: Way | null;
  /** Being opened while another is in use, and its number. */
  next: { channel: Channel; way: Way; number: number } | null;
  told: boolean;
  tags: Bytes[];
  /** Attempts that failed since a channel was open: the next goes another way. */
  failed: number;
}

const MAX_TAGS = 4;
/** Somebody we have no seat of, at once: a seat's roster may come after its first frame. */
const MAX_PEERS = 32;

export class RoomTransport {
  #peers = new Map<Key, Peer>();

  constructor(
    private readonly ends: Ends,
    private readonly owner: RoomTransportOwner,
  ) {}

  /** Whether a channel with this key is open. */
  up(key: Key): boolean {
    return this.#peers.get(key)?.channel?.open === true;
  }

  /** Whether anybody is spoken to beside media. */
  get beside(): boolean {
    return [...this.#peers.values()].some((peer) => peer.told && peer.way?.by === "media");
  }

  /** Whether they have taken all that was said to them; false if that cannot be known. */
  async flushed(key: Key): Promise<boolean> {
    return (await this.#peers.get(key)?.channel?.flush()) === true;
  }

  say(key: Key, message: ToSeat): void {
    const peer = this.#peers.get(key);
    if (peer?.told === true) peer.channel?.say(message);
  }

  /** Opens a channel by the best way there is; `opened` or `lost` follows. */
  open(key: Key): void {
    const peer = this.#peer(key);
    if (peer.channel !== null) return;
    const ways = this.#waysTo(key);
    const way = ways[peer.failed % Math.max(ways.length, 1)];
    if (way === undefined) return this.owner.lost(key);
    peer.failed += 1;
    if (way.by !== "line") peer.number += 1;
    if (peer.number > MAX_COUNT) return this.owner.lost(key);
    this.#begin(key, peer, way);
  }

  /** The line is open: the channel with whoever is at its other end is on it from now on. */
  openOnLine(key: Key): void {
    const peer = this.#peer(key);
    const way: Way = { by: "line" };
    if (peer.channel?.open !== true) {
      this.#gone(key, peer);
      this.#begin(key, peer, way);
      return;
    }
    peer.next?.channel.drop();
    const channel: Channel = this.#channel(key, peer, way, () => channel);
    peer.next = { channel, way, number: peer.number };
  }

  /** Ends the channel with this key in order. */
  close(key: Key, reason = "closed"): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    peer.channel?.close(reason);
    this.#gone(key, peer);
  }

  closeAll(): void {
    // NOTE: what goes through somebody goes out before our last word to them.
    const piped = (peer: Peer) => Number(peer.way?.by !== "pipe");
    for (const peer of [...this.#peers.values()].sort((a, b) => piped(a) - piped(b))) peer.channel?.close("closed");
    this.#peers.clear();
  }

  /** Lets go of whom nobody needs to remember. */
  forget(keep: (key: Key) => boolean): void {
    for (const [key, peer] of this.#peers)
      if (peer.channel === null && peer.next === null && !keep(key)) this.#peers.delete(key);
  }

  // ── frames ────────────────────────────────────────────────────────────────────────────────────
  fromLine(data: Bytes): void {
    for (const peer of this.#peers.values())
      for (const one of [peer, peer.next]) if (one?.way?.by === "line") one.channel?.take(data);
  }

  fromPipe(via: Key, key: Key, number: number, data: Bytes): void {
    this.#arrived(key, number, data, { by: "pipe", via });
  }

  fromMedia(key: Key, session: number, data: Bytes): void {
    if (data.length < 5) return;
    const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
    if (number <= MAX_COUNT) this.#arrived(key, number, data.slice(4), { by: "media", session });
  }

  #arrived(key: Key, number: number, data: Bytes, way: Way): void {
    const peer = this.#peers.get(key);
    const known = peer?.next ?? peer ?? null;
    if (known !== null && number <= known.number) {
      for (const one of [peer!, peer!.next])
        if (one?.number === number && one.way !== null && same(one.way, way)) one.channel?.take(data);
      return;
    }
    if (this.owner.welcome(key) && (peer !== undefined || this.#peers.size < MAX_PEERS))
      this.#accept(key, number, data, way);
  }

  // ── ways that are lost ────────────────────────────────────────────────────────────────────────
  /** When what came on the line until now is dealt with. */
  async heardOnLine(): Promise<void> {
    const peers = [...this.#peers.values()];
    const ends = peers.flatMap((peer) => [peer, peer.next]).filter((one) => one?.way?.by === "line");
    await Promise.all(ends.map((one) => one?.channel?.settled ?? Promise.resolve()));
  }

  lineLost(): void {
    this.#lostIf((way) => way.by === "line");
  }

  sessionLost(session: number): void {
    this.#lostIf((way) => way.by === "media" && way.session === session);
  }

  look(): void {
    for (const peer of [...this.#peers.values()]) {
      peer.channel?.look();
      peer.next?.channel.look();
    }
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────
  #peer(key: Key): Peer {
    let peer = this.#peers.get(key);
    if (peer === undefined) {
      peer = { number: 0, channel: null, way: null, next: null, told: false, tags: [], failed: 0 };
      this.#peers.set(key, peer);
    }
    return peer;
  }

  #waysTo(key: Key): Way[] {
    const ways: Way[] = [];
    const session = this.owner.session(key);
    const via = this.owner.carriers().find((one) => one !== key && this.up(one));
    if (this.owner.line(key)) ways.push({ by: "line" });
    if (session !== null) ways.push({ by: "media", session });
    if (via !== undefined) ways.push({ by: "pipe", via });
    return ways;
  }

  #begin(key: Key, peer: Peer, way: Way): void {
    peer.way = way;
    const channel: Channel = this.#channel(key, peer, way, () => channel);
    peer.channel = channel;
  }

  #channel(key: Key, peer: Peer, way: Way, it: () => Channel): Channel {
    return Channel.open(this.ends, key, peer.tags, this.#watch(key, peer, way, peer.number, it));
  }

  /** Somebody opens a channel to us: what we had is used until theirs is proven. */
  #accept(key: Key, number: number, data: Bytes, way: Way): void {
    const peer = this.#peer(key);
    peer.next?.channel.drop();
    const channel: Channel = Channel.answer(this.ends, key, this.#watch(key, peer, way, number, () => channel));
    peer.next = { channel, way, number };
    channel.take(data);
  }

  #watch(key: Key, peer: Peer, way: Way, number: number, channel: () => Channel) {
    return {
      send: (frame: Bytes) => this.#send(key, way, number, frame),
      opened: (card: Card) => {
        if (peer.next?.channel === channel()) {
          peer.next = null;
          this.#gone(key, peer);
          Object.assign(peer, { channel: channel(), way, number });
        }
        peer.failed = 0;
        peer.told = true;
        peer.tags = [...peer.tags, channel().tag!].slice(-MAX_TAGS);
        this.owner.opened(key, card);
      },
      heard: (message: FromSeat) => this.owner.heard(key, message),
      ended: (_why: ChannelEnd) => {
        if (peer.next?.channel === channel()) {
          peer.next = null;
          if (way.by === "line") this.owner.lineBroke();
          if (peer.channel === null && peer.number === 0) this.#peers.delete(key);
        } else if (peer.channel === channel()) this.#gone(key, peer);
      },
    };
  }

  #send(key: Key, way: Way, number: number, data: Bytes): void {
    switch (way.by) {
      case "line":
        this.owner.carry(data);
        break;
      case "pipe":
        this.say(way.via, { t: "pipe", key: unhex(key), onward: true, pipe: number, data });
        break;
      case "media": {
        const head = new Uint8Array(4);
        new DataView(head.buffer).setUint32(0, number);
        this.owner.carryMedia(way.session, join(head, data));
        break;
      }
    }
  }

  #lostIf(gone: (way: Way) => boolean): void {
    for (const [key, peer] of [...this.#peers]) {
      if (peer.next !== null && gone(peer.next.way)) {
        peer.next.channel.drop();
        peer.next = null;
      }
      if (peer.way !== null && gone(peer.way)) this.#gone(key, peer);
    }
  }

  #gone(key: Key, peer: Peer): void {
    const { channel, way } = peer;
    if (channel === null) return;
    channel.drop();
    peer.channel = peer.way = null;
    peer.told = false;
    if (way?.by === "line") this.owner.lineBroke();
    this.owner.lost(key);
    this.#lostIf((one) => one.by === "pipe" && one.via === key);
  }
}

const same = (one: Way, other: Way): boolean =>
  one.by === other.by &&
  (one.by !== "pipe" || one.via === (other as typeof one).via) &&
  (one.by !== "media" || one.session === (other as typeof one).session);
