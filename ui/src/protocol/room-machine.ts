// One room as a guest sees it: events and the time in, effects out (docs/PROTOCOL, Rooms). Of
// onmeet_node/protocol/room/machine.py it has what is a guest's: it follows rosters and never makes one.
import type { RoomEnd } from "../node/messages.js";
import type { Bytes } from "./noise.js";
import { hex, type TurnServer } from "./guest-messages.js";
import { Pledges, type Round } from "./room-authentication.js";
import { newer, prevails, readRoster, sameOffice, seatOf, succession, type Roster, type Seat } from "./room-roster.js";
import * as timing from "./room-timing.js";
import { unhex, type FromSeat, type Here, type Key, type SignedRoster, type ToSeat } from "./room-messages.js";

export type Effect =
  | { do: "send"; to: Key; message: ToSeat }
  /** Open a channel; `opened` or `lost` follows. */
  | { do: "open"; key: Key }
  | { do: "close"; key: Key }
  /** Begin the call: who came later offers. */
  | { do: "ring"; key: Key }
  | { do: "hang-up"; key: Key }
  /** Who is in, or what the room is like, changed. */
  | { do: "changed"; roster: Roster; before: Roster | null }
  /** Everybody in this roster has shown their number for the room's string. */
  | { do: "numbered"; digest: string; numbers: ReadonlyMap<Key, Bytes> }
  | { do: "wait"; state: "delivered" | "shown" | "busy" }
  | { do: "lent"; servers: readonly TurnServer[] }
  | { do: "asked"; by: Key }
  | { do: "said"; by: Key; text: string; private: boolean }
  | { do: "reacted"; by: Key; emoji: string }
  /** We and they do not see each other, or only one of us does; or do again. */
  | { do: "half-blind"; key: Key; blind: boolean }
  /** The host told them something else than us. */
  | { do: "lied"; other: Key }
  | { do: "ended"; reason: RoomEnd };

/** What is known of somebody else, beside their seat. */
interface Other {
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
  told: string;
  blindSince: number | null;
  blindTold: boolean;
  /** They have no seat that we know of: time for a roster with one to come. */
  strayUntil: number | null;
}

const NOT_HERE: Here = {
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
const ENDS: Readonly<Record<string, RoomEnd>> = { full: "full", "link-closed": "locked", "no-answer": "no-answer" };

export interface Knock {
  readonly room: Bytes;
  /** At whose door we are. */
  readonly host: Key;
  readonly name: string;
  readonly video: boolean;
}

/** All methods take `now`: milliseconds that never go back. */
export class Machine {
  over: RoomEnd | null = null;
  /** Who is in; null until we are let in. */
  roster: Roster | null = null;
  hand = false;
  #now: number;
  #others = new Map<Key, Other>();
  #knockUntil: number | null;
  #signed: SignedRoster | null = null;
  #hostLostAt: number | null = null;
  /** Rosters of others who would be host; of use when the host is lost. */
  #claims = new Map<Key, readonly [Roster, SignedRoster]>();
  /** The last word of the host before the one who claimed its place. */
  #heritage: Roster | null = null;
  /** From when on we dial: TURN credentials are lent until then. */
  #dialAt: number | null = null;
  #hereAt: number | null = null;
  /** Since when nobody is reached who could carry on. */
  #aloneSince: number | null = null;
  #liars = new Set<Key>();
  #pledges: Pledges;
  /** The roster of which it was told that all have shown their numbers. */
  #numbered = "";
  #out: Effect[] = [];

  constructor(
    readonly me: Key,
    private readonly knock: Knock,
    now: number,
    random: (bytes: number) => Bytes,
  ) {
    this.#now = now;
    this.#pledges = new Pledges(me, random);
    this.#knockUntil = now + timing.KNOCK;
    this.#other(knock.host).tryAt = now;
  }

  // ── looking ───────────────────────────────────────────────────────────────────────────────────
  /** What is known of somebody besides their seat. */
  other(key: Key): Readonly<Other> | null {
    return this.#others.get(key) ?? null;
  }

  seated(key: Key): boolean {
    return seatOf(this.roster, key) !== null;
  }

  /** Whether a channel with this key has any business with us. */
  welcome(key: Key): boolean {
    if (this.over !== null || key === this.me) return false;
    if (this.roster === null) return key === this.knock.host;
    return !this.roster.removed.includes(key) || this.#heritage?.host === key;
  }

  /** Whether it is for us to open the channel with them, now or later. */
  opens(key: Key): boolean {
    if (this.roster === null) return key === this.knock.host;
    const [mine, seat] = [seatOf(this.roster, this.me), seatOf(this.roster, key)];
    if (seat === null) return this.#heritage?.host === key;
    return seat.role !== "guest" || (mine !== null && mine.order > seat.order);
  }

  /** When `tick` wants to be called. */
  get nextTimeout(): number | null {
    if (this.over !== null) return null;
    const dial = this.#dialAt !== null && this.#dialAt > this.#now ? this.#dialAt : null;
    const alone = this.#aloneSince === null ? null : this.#aloneSince + timing.AWAY;
    const times = [this.#knockUntil, this.#hereAt, this.#followAt(), dial, alone];
    for (const other of this.#others.values()) {
      times.push(other.tryAt, other.ringAt, other.strayUntil);
      if (other.blindSince !== null && !other.blindTold) times.push(other.blindSince + timing.BLIND);
    }
    const due = times.filter((time) => time !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  // ── what the guest does ───────────────────────────────────────────────────────────────────────
  leave(now: number): Effect[] {
    this.#now = now;
    if (this.over !== null) return [];
    for (const key of this.#here()) this.#out.push({ do: "send", to: key, message: { t: "room-leave" } });
    this.#finish("left");
    return this.#flush();
  }

  raiseHand(up: boolean, now: number): Effect[] {
    this.#now = now;
    this.hand = up;
    return this.#flush();
  }

  /** A line to everybody, or to one; null if they are not in. */
  say(text: string, to: Key | null, now: number): Effect[] | null {
    this.#now = now;
    if (to !== null && !this.seated(to)) return null;
    for (const key of to === null ? this.#here() : [to])
      this.#out.push({ do: "send", to: key, message: { t: "room-say", text, private: to !== null } });
    return this.#flush();
  }

  react(emoji: string, now: number): Effect[] {
    this.#now = now;
    for (const key of this.#here()) this.#out.push({ do: "send", to: key, message: { t: "react", emoji } });
    return this.#flush();
  }

  // ── what happens ──────────────────────────────────────────────────────────────────────────────
  /** A channel with this key is open. */
  opened(key: Key, now: number): Effect[] {
    this.#now = now;
    if (!this.welcome(key)) {
      this.#tellRemoved(key);
      this.#out.push({ do: "close", key });
      return this.#flush();
    }
    const other = this.#other(key);
    Object.assign(other, { up: true, upAt: now, tryAt: null, pause: timing.RETRY, told: "", strayUntil: null });
    const { room, name, video } = this.knock;
    if (this.roster === null) this.#out.push({ do: "send", to: key, message: { t: "room-knock", room, name, video } });
    else if (!this.seated(key)) other.strayUntil = now + timing.STRAY;
    if (key === this.roster?.host) {
      this.#hostLostAt = null;
      // Whoever was out of reach is so no more: through this host.
      for (const one of this.#others.values()) if (one.tryAt !== null) one.tryAt = now;
    }
    this.#hereAt = now;
    return this.#flush();
  }

  /** The channel with this key is gone, or none could be opened. */
  lost(key: Key, now: number): Effect[] {
    this.#now = now;
    const other = this.#others.get(key);
    if (this.over !== null || other === undefined) return [];
    // One that was good is looked for at once: another way may be there.
    const soon = other.up && now - other.upAt >= timing.GOOD;
    Object.assign(other, { up: false, here: NOT_HERE, blindSince: null, ringAt: null, strayUntil: null });
    if (this.opens(key)) {
      other.tryAt = soon ? now : now + other.pause;
      if (!soon) other.pause = Math.min(other.pause * 2, timing.MAX_RETRY);
    } else if (!this.seated(key) && !other.calling) this.#others.delete(key);
    if (key === this.roster?.host) this.#hostLostAt ??= now;
    return this.#flush();
  }

  /** A message over the channel with this key. Whatever it is, it is dealt with. */
  received(key: Key, message: FromSeat, now: number): Effect[] {
    this.#now = now;
    if (this.over !== null) return [];
    if (message.t === "roster") this.#takeRoster(key, message);
    else if (this.roster === null) this.#atTheDoor(key, message);
    else if (this.seated(key)) this.#fromSeat(key, message);
    return this.#flush();
  }

  /** Media of this seat reaches us, or no more. */
  media(key: Key, up: boolean, now: number): Effect[] {
    this.#now = now;
    const other = this.#others.get(key);
    if (other !== undefined) {
      other.media = up;
      if (up) {
        other.calling = true;
        if (other.tryAt !== null) other.tryAt = now; // beside the media there is a way
      }
    }
    return this.#flush();
  }

  /** They have begun the call with us. */
  called(key: Key, now: number): Effect[] {
    this.#now = now;
    this.#other(key).calling = true;
    return this.#flush();
  }

  /** The call with this seat is over; while both are in, it is begun again. */
  callOver(key: Key, now: number): Effect[] {
    this.#now = now;
    const other = this.#others.get(key);
    if (other !== undefined) {
      other.media = other.calling = false;
      if (other.up && this.#isCaller(key)) other.ringAt = now + 2 * timing.RETRY;
    }
    return this.#flush();
  }

  /** Does what is due. Early and repeated calls do no harm. */
  tick(now: number): Effect[] {
    this.#now = now;
    if (this.over !== null) return [];
    if (this.#knockUntil !== null && now >= this.#knockUntil) {
      this.#finish("no-answer");
      return this.#flush();
    }
    for (const [key, other] of this.#others)
      if (other.strayUntil !== null && now >= other.strayUntil) {
        other.strayUntil = null;
        this.#out.push({ do: "close", key });
      }
    const follow = this.#followAt();
    if (follow !== null && now >= follow) this.#followBest();
    return this.#flush();
  }

  // ── messages ──────────────────────────────────────────────────────────────────────────────────
  #atTheDoor(key: Key, message: FromSeat): void {
    if (key !== this.knock.host) return;
    if (message.t === "wait") this.#out.push({ do: "wait", state: message.state });
    else if (message.t === "lent") this.#lent(message.servers);
    else if (message.t === "deny") this.#finish(ENDS[message.reason] ?? "denied");
  }

  #fromSeat(key: Key, message: FromSeat): void {
    switch (message.t) {
      case "here":
        this.#heard(key, message);
        break;
      case "lent":
        // Only whoever is host lends: credentials of others would tell them by whom we are relayed.
        if (key === this.roster!.host) this.#lent(message.servers);
        break;
      case "room-request": {
        const role = seatOf(this.roster, key)?.role;
        const may = role === "host" || role === "co-host";
        if (may && message.act === "mute" && message.seat === this.me) this.#out.push({ do: "asked", by: key });
        break;
      }
      case "room-say":
        this.#out.push({ do: "said", by: key, text: message.text, private: message.private });
        break;
      case "react":
        this.#out.push({ do: "reacted", by: key, emoji: message.emoji });
        break;
      case "room-leave":
        this.#hangUp(key);
        // It named somebody, or nobody was there: we wait for them no longer than needs be.
        if (key === this.roster!.host) this.#hostLostAt = this.#now - timing.CLAIM;
        break;
      default:
        break;
    }
  }

  #lent(servers: readonly TurnServer[]): void {
    this.#dialAt = this.#now;
    this.#out.push({ do: "lent", servers });
  }

  // ── the roster ────────────────────────────────────────────────────────────────────────────────
  #takeRoster(sender: Key, signed: SignedRoster): void {
    const body = readRoster(signed, hex(this.knock.room));
    if (body === null) {
      this.#out.push({ do: "close", key: sender });
      return;
    }
    if (body.host === this.me) return; // a guest carries nothing on
    const mine = this.roster;
    if (mine === null) {
      const theirs = sender === this.knock.host && sender === body.host && signed.signer === sender;
      if (theirs && seatOf(body, this.me) !== null) this.#adopt(body, signed);
      return;
    }
    const heritage = this.#heritage;
    if (heritage !== null && this.#isLateHandover(body, signed)) return this.#follow(body, signed);
    if (heritage !== null && signed.signer === heritage.host && heritage.host === body.host && sender !== body.host) {
      // What a claimant shows of the host before it.
      if (newer(body, heritage)) this.#heritage = body;
      if (!sameOffice(body, mine)) return;
    }
    if ((signed.signer !== body.host && signed.signer !== mine.host) || mine.ended) return;
    if (newer(body, mine) && signed.signer === mine.host) this.#follow(body, signed);
    else if (sameOffice(body, mine)) {
      if (body.version === mine.version && body.digest !== mine.digest) this.#lied(sender);
    } else if (signed.signer === mine.host && body.term > mine.term && body.host !== mine.host) {
      this.#follow(body, signed); // the host names who carries on
    } else if (sender === mine.host && signed.signer === body.host) {
      this.#follow(body, signed); // our host yields to another, and we with it
    } else this.#rival(sender, body, signed);
  }

  /** Whether the host whose place was claimed had named somebody, and we had not heard it. */
  #isLateHandover(body: Roster, signed: SignedRoster): boolean {
    const before = this.#heritage!;
    const named = signed.signer === before.host && body.host !== before.host && body.term > before.term;
    return named && this.#up(body.host) && body.claims === before.claims && body.claims < this.roster!.claims;
  }

  /** A roster of another host: of somebody who carried on, or a pretender. */
  #rival(sender: Key, body: Roster, signed: SignedRoster): void {
    const mine = this.roster!;
    const { host } = body;
    if (sender !== host || signed.signer !== host || !this.welcome(host)) return;
    const known = seatOf(mine, host) ?? (this.#heritage?.host === host ? seatOf(body, host) : null);
    if (known === null || known.role === "guest") {
      this.#out.push({ do: "close", key: sender });
      return;
    }
    const first = prevails(body, mine);
    const alive = this.#up(mine.host) && this.#hostLostAt === null;
    if (!first && alive) this.#claims.set(host, [body, signed]);
    else if (body.removed.includes(this.me)) this.#finish("removed");
    else if (seatOf(body, this.me) === null) return; // it has given us up, and may take us in again
    else if (first || this.#lostForGood()) this.#follow(body, signed);
    else this.#claims.set(host, [body, signed]);
  }

  #follow(body: Roster, signed: SignedRoster): void {
    if (seatOf(body, this.me) !== null || body.ended) this.#adopt(body, signed);
    else if (body.removed.includes(this.me)) this.#finish("removed");
    // Else we were given up while we were away: we stay as we are until we are taken in again.
  }

  #adopt(body: Roster, signed: SignedRoster): void {
    const before = this.roster;
    if (before !== null && body.claims > before.claims) this.#heritage = before;
    else if (this.#heritage !== null && body.claims <= this.#heritage.claims) this.#heritage = null;
    this.roster = body;
    this.#signed = signed;
    if (before === null) {
      this.#knockUntil = null;
      this.#dialAt ??= this.#now + timing.LENT;
    }
    if (before?.host !== body.host || before.term !== body.term) {
      const there = this.#up(body.host) && !this.#resigned(body.host);
      this.#hostLostAt = there ? null : this.#now;
      this.#claims.clear();
    }
    for (const seat of before?.seats ?? []) if (seat.key !== this.me && !this.seated(seat.key)) this.#unseat(seat);
    for (const seat of body.seats) if (seat.key !== this.me) this.#seat(seat);
    this.#out.push({ do: "changed", roster: body, before });
    if (body.ended) this.#finish("ended");
    this.#hereAt = this.#now;
  }

  #seat(seat: Seat): void {
    const other = this.#other(seat.key);
    other.strayUntil = null;
    if (!other.up && other.tryAt === null && this.opens(seat.key)) other.tryAt = this.#now;
  }

  /** Somebody is no longer in: their call ends. */
  #unseat(seat: Seat): void {
    const other = this.#others.get(seat.key);
    if (other === undefined) return;
    const removed = this.roster!.removed.includes(seat.key);
    if (removed) this.#tellRemoved(seat.key);
    this.#hangUp(seat.key);
    other.ringAt = other.blindSince = null;
    if (removed) {
      this.#others.delete(seat.key);
      this.#out.push({ do: "close", key: seat.key });
    } else if (other.up) other.strayUntil = this.#now + timing.STRAY;
    else if (!this.opens(seat.key)) this.#others.delete(seat.key);
  }

  /** Whoever was sent out may not have heard it: the host's last word may go with its channel. */
  #tellRemoved(key: Key): void {
    if (this.#signed === null) return;
    const { body, signer, signature } = this.#signed;
    this.#out.push({ do: "send", to: key, message: { t: "roster", body, signer: unhex(signer), signature } });
  }

  #hangUp(key: Key): void {
    const other = this.#others.get(key);
    if (other === undefined) return;
    if (other.calling || other.media) this.#out.push({ do: "hang-up", key });
    other.calling = other.media = false;
  }

  #lied(other: Key): void {
    if (this.#liars.has(other)) return;
    this.#liars.add(other);
    this.#out.push({ do: "lied", other });
  }

  // ── a host that is gone ───────────────────────────────────────────────────────────────────────
  #lostForGood(): boolean {
    return this.#hostLostAt !== null && this.#now >= this.#hostLostAt + timing.CLAIM;
  }

  /** Whether this host says itself that another is host. */
  #resigned(host: Key): boolean {
    const keeper = this.#others.get(host)?.here.keeper ?? null;
    return keeper !== null && keeper !== host;
  }

  /** When we follow somebody who carries on, if nothing changes. */
  #followAt(): number | null {
    return this.#hostLostAt === null || this.#claims.size === 0 ? null : this.#hostLostAt + timing.CLAIM;
  }

  #followBest(): void {
    let best: readonly [Roster, SignedRoster] | null = null;
    for (const one of this.#claims.values()) {
      const [body] = one;
      if (this.#up(body.host) && seatOf(body, this.me) !== null && (best === null || prevails(body, best[0]))) best = one;
    }
    this.#claims.clear();
    if (best !== null) this.#follow(...best);
  }

  // ── who sees whom ─────────────────────────────────────────────────────────────────────────────
  #heard(key: Key, here: Here): void {
    const mine = this.roster!;
    this.#other(key).here = here;
    if (here.digest === null) return;
    if (key === mine.host) {
      if (!this.#resigned(key)) this.#hostLostAt = null;
      else this.#hostLostAt ??= this.#now; // it follows another; we have lost it
    }
    const same = here.keeper === mine.host && here.term === mine.term && here.version === mine.version;
    if (same && here.digest !== mine.digest) this.#lied(key);
  }

  /** Guests carry no room on: without anybody who could, it is over for them. */
  #watchAlone(): void {
    if (this.roster === null) return;
    if (succession(this.roster).some((key) => this.#up(key))) this.#aloneSince = null;
    else if (this.#now >= (this.#aloneSince ??= this.#now) + timing.AWAY) this.#finish("lost");
  }

  #watchHalves(): void {
    for (const key of this.#here()) {
      const other = this.#others.get(key)!;
      if (other.media && other.here.sees.includes(this.me)) {
        if (other.blindTold) this.#out.push({ do: "half-blind", key, blind: false });
        other.blindSince = null;
        other.blindTold = false;
      } else if (other.blindSince === null) other.blindSince = this.#now;
      else if (!other.blindTold && this.#now >= other.blindSince + timing.BLIND) {
        other.blindTold = true;
        this.#out.push({ do: "half-blind", key, blind: true });
      }
    }
  }

  /**
   * Says what we see of the room, to whom it is news. NOTE: not at each change: all of it goes through
   * one host, who takes 50 messages a second of us, and media comes up with everybody at once.
   */
  #tellHere(): void {
    const { roster } = this;
    if (roster === null) {
      this.#hereAt = null;
      return;
    }
    const round = this.#round(roster);
    const { numbers, nonce } = round;
    if (numbers !== null && this.#numbered !== roster.digest) {
      this.#numbered = roster.digest;
      this.#out.push({ do: "numbered", digest: roster.digest, numbers });
    }
    const sees = [...this.#others].filter(([, other]) => other.media).map(([key]) => key).sort().slice(0, 12);
    const host = this.#up(roster.host);
    const said = JSON.stringify([sees, host, this.hand, roster.digest, roster.term, roster.host, nonce !== undefined]);
    const news = this.#here().filter((key) => this.#others.get(key)!.told !== said);
    if (news.length === 0) {
      this.#hereAt = null;
      return;
    }
    this.#hereAt ??= this.#now + timing.HERE;
    if (this.#now < this.#hereAt) return;
    this.#hereAt = null;
    for (const key of news) {
      this.#others.get(key)!.told = said;
      this.#out.push({
        do: "send",
        to: key,
        message: {
          t: "here",
          sees: sees.map(unhex),
          host,
          hand: this.hand,
          digest: unhex(roster.digest),
          version: roster.version,
          term: roster.term,
          keeper: unhex(roster.host),
          commitment: round.commitment,
          nonce,
        },
      });
    }
  }

  /** The pledges for this roster, with all that others have said of it. */
  #round(roster: Roster): Round {
    const round = this.#pledges.round(roster);
    for (const [key, other] of this.#others) if (other.here.digest === roster.digest) round.take(key, other.here);
    return round;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────
  #other(key: Key): Other {
    let other = this.#others.get(key);
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
      this.#others.set(key, other);
    }
    return other;
  }

  #up(key: Key): boolean {
    return this.#others.get(key)?.up === true;
  }

  /** Everybody else in the room with whom a channel is open. */
  #here(): Key[] {
    return (this.roster?.seats ?? []).map((seat) => seat.key).filter((key) => key !== this.me && this.#up(key));
  }

  #isCaller(key: Key): boolean {
    const [mine, seat] = [seatOf(this.roster, this.me), seatOf(this.roster, key)];
    return mine !== null && seat !== null && mine.order > seat.order;
  }

  #openDue(): void {
    for (const [key, other] of this.#others)
      if (other.tryAt !== null && this.#now >= other.tryAt) {
        other.tryAt = null;
        if (this.opens(key) && !other.up) this.#out.push({ do: "open", key });
      }
  }

  /** Rings those who were there before us, once each; all at the same time. */
  #planCalls(): void {
    if (this.#dialAt === null || this.#now < this.#dialAt) return;
    for (const key of this.#here()) {
      const other = this.#others.get(key)!;
      if (other.calling || !this.#isCaller(key)) {
        other.ringAt = null;
        continue;
      }
      if (other.ringAt !== null && this.#now < other.ringAt) continue;
      other.ringAt = null;
      other.calling = true;
      this.#out.push({ do: "ring", key });
    }
  }

  #finish(reason: RoomEnd): void {
    if (this.over !== null) return;
    for (const key of this.#others.keys()) this.#hangUp(key);
    this.over = reason;
    this.#out.push({ do: "ended", reason });
  }

  #flush(): Effect[] {
    if (this.over === null) this.#watchAlone();
    if (this.over === null) {
      this.#openDue();
      this.#planCalls();
      this.#watchHalves();
      this.#tellHere();
    }
    const effects = this.#out;
    this.#out = [];
    return effects;
  }
}
