// Everybody in a room as a guest knows them, and who opens to whom and dials whom: what the machine knows
// (onmeet_node/protocol/room/members.py).
import type { RoomEnd } from "../node/messages.js";
import type { TurnServer } from "./guest-messages.js";
import type { Bytes } from "./bytes.js";
import type { Effect } from "./room-effects.js";
import type { Here, Key, SignedRoster, ToSeat } from "./room-messages.js";
import { seatOf, type Roster } from "./room-roster.js";
import * as timing from "./room-timing.js";

/** What is known of somebody else, beside their seat. */
export interface Other {
  up: boolean;
  upAt: number;
  tryAt: number | null;
  pause: number;
  /** The call with them was begun, by either side. */
  calling: boolean;
  ringAt: number | null;
  /** Their media reaches us. */
  media: boolean;
  here: Here;
  /** What we told them last. */
  told: string;
  blindSince: number | null;
  blindTold: boolean;
  /** They have no seat that we know of: time for a roster with one to come. */
  strayUntil: number | null;
}

export const NOT_HERE: Here = {
  t: "here",
  sees: [],
  host: false,
  hand: false,
  digest: null,
  version: 0,
  term: 0,
  keeper: null,
  commitment: null,
  nonce: null,
};

export interface Knock {
  readonly room: Bytes;
  /** At whose door we are. */
  readonly host: Key;
  readonly name: string;
  readonly video: boolean;
}

/** What one machine knows of everybody, and what is to be done, in order (`out`). */
export class Members {
  over: RoomEnd | null = null;
  /** Who is in; null until we are let in. */
  roster: Roster | null = null;
  signed: SignedRoster | null = null;
  /** The last word of the host before the one who claimed its place. */
  previousHost: Roster | null = null;
  hostLostAt: number | null = null;
  /** From when on we dial: TURN credentials are lent until then. */
  dialAt: number | null = null;
  hand = false;
  others = new Map<Key, Other>();
  out: Effect[] = [];

  constructor(
    readonly me: Key,
    readonly knock: Knock,
    public now: number,
  ) {}

  emit(effect: Effect): void {
    this.out.push(effect);
  }

  say(to: Key, message: ToSeat): void {
    this.emit({ do: "send", to, message });
  }

  /** What is known of somebody, from now on at least. */
  obtain(key: Key): Other {
    let other = this.others.get(key);
    if (other === undefined) {
      other = {
        up: false,
        upAt: 0,
        tryAt: null,
        pause: timing.RETRY,
        calling: false,
        ringAt: null,
        media: false,
        here: NOT_HERE,
        told: "",
        blindSince: null,
        blindTold: false,
        strayUntil: null,
      };
      this.others.set(key, other);
    }
    return other;
  }

  seat(key: Key): ReturnType<typeof seatOf> {
    return seatOf(this.roster, key);
  }

  seated(key: Key): boolean {
    return this.seat(key) !== null;
  }

  /** Whether a channel with them is open. */
  up(key: Key): boolean {
    return this.others.get(key)?.up === true;
  }

  /** Everybody else in the room with whom a channel is open. */
  connected(): Key[] {
    return (this.roster?.seats ?? []).map((seat) => seat.key).filter((key) => key !== this.me && this.up(key));
  }

  /** Whether a channel with this key has any business with us. */
  welcome(key: Key): boolean {
    if (this.over !== null || key === this.me) return false;
    if (this.roster === null) return key === this.knock.host;
    return !this.roster.removed.includes(key) || this.previousHost?.host === key;
  }

  /** Whether it is for us to open the channel with them, now or later. */
  opens(key: Key): boolean {
    if (this.roster === null) return key === this.knock.host;
    const seat = this.seat(key);
    if (seat === null) return this.previousHost?.host === key;
    return seat.role !== "guest" || this.isCaller(key);
  }

  /** Whether the call with this seat is ours to begin: who came later offers. */
  isCaller(key: Key): boolean {
    const [mine, seat] = [this.seat(this.me), this.seat(key)];
    return mine !== null && seat !== null && mine.order > seat.order;
  }

  openDue(): void {
    for (const [key, other] of this.others)
      if (other.tryAt !== null && this.now >= other.tryAt) {
        other.tryAt = null;
        if (this.opens(key) && !other.up) this.emit({ do: "open", key });
      }
  }

  /** Rings those who were there before us, once each; all at the same time. */
  planCalls(): void {
    if (this.dialAt === null || this.now < this.dialAt) return;
    for (const key of this.connected()) {
      const other = this.others.get(key)!;
      if (other.calling || !this.isCaller(key)) {
        other.ringAt = null;
        continue;
      }
      if (other.ringAt !== null && this.now < other.ringAt) continue;
      other.ringAt = null;
      other.calling = true;
      this.emit({ do: "ring", key });
    }
  }

  lent(servers: readonly TurnServer[]): void {
    this.dialAt = this.now;
    this.emit({ do: "lent", servers });
  }

  hangUp(key: Key): void {
    const other = this.others.get(key);
    if (other === undefined) return;
    if (other.calling || other.media) this.emit({ do: "hang-up", key });
    other.calling = other.media = false;
  }

  /** It is over for us. */
  finish(reason: RoomEnd): void {
    if (this.over !== null) return;
    for (const key of this.others.keys()) this.hangUp(key);
    this.over = reason;
    this.emit({ do: "ended", reason });
  }
}
