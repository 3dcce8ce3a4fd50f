// One room as a guest sees it: events and the time in, effects out (docs/PROTOCOL, Rooms). Of
// onmeet_node/protocol/room/machine.py it has what is a guest's: it follows rosters and never makes one.
// Its parts: members (what is known), election (whose roster counts), attendance (who sees whom),
// admission (how one comes in).
import type { RoomEnd } from "../node/messages.js";
import type { Bytes } from "./bytes.js";
import { RoomAdmission } from "./room-admission.js";
import { Attendance } from "./room-attendance.js";
import type { Effect } from "./room-effects.js";
import { Election } from "./room-election.js";
import { Members, NOT_HERE, type Knock, type Other } from "./room-members.js";
import type { FromSeat, Key } from "./room-messages.js";
import type { Roster } from "./room-roster.js";
import type { PHASES } from "./room-tables.js";
import * as timing from "./room-timing.js";

/** Where we stand; a guest is never the host. */
export type Phase = Exclude<(typeof PHASES)[number], "host">;

/** All methods take `now`: milliseconds that never go back. */
export class Room {
  #members: Members;
  #election: Election;
  #attendance: Attendance;
  #admission: RoomAdmission;

  /** Asks to be let in. */
  constructor(
    readonly me: Key,
    knock: Knock,
    now: number,
    random: (bytes: number) => Bytes,
  ) {
    const members = (this.#members = new Members(me, knock, now));
    this.#election = new Election(members);
    this.#attendance = new Attendance(members, this.#election, random);
    this.#admission = new RoomAdmission(members);
  }

  // ── looking ───────────────────────────────────────────────────────────────────────────────────
  get over(): RoomEnd | null {
    return this.#members.over;
  }

  get phase(): Phase {
    const { over, roster, hostLostAt } = this.#members;
    if (over !== null) return "over";
    if (roster === null) return "at-door";
    return hostLostAt === null ? "member" : "host-lost";
  }

  /** Who is in; null until we are let in. */
  get roster(): Roster | null {
    return this.#members.roster;
  }

  get hand(): boolean {
    return this.#members.hand;
  }

  /** What is known of somebody besides their seat. */
  other(key: Key): Readonly<Other> | null {
    return this.#members.others.get(key) ?? null;
  }

  seated(key: Key): boolean {
    return this.#members.seated(key);
  }

  /** Whether a channel with this key has any business with us. */
  welcome(key: Key): boolean {
    return this.#members.welcome(key);
  }

  /** Whether it is for us to open the channel with them, now or later. */
  opens(key: Key): boolean {
    return this.#members.opens(key);
  }

  /** When `tick` wants to be called. */
  get nextTimeout(): number | null {
    const { over, now, dialAt, others } = this.#members;
    if (over !== null) return null;
    const dial = dialAt !== null && dialAt > now ? dialAt : null;
    const times = [this.#admission.nextTimeout, this.#election.nextTimeout, dial, ...this.#attendance.nextTimeout];
    for (const other of others.values()) {
      times.push(other.tryAt, other.ringAt, other.strayUntil);
      if (other.blindSince !== null && !other.blindTold) times.push(other.blindSince + timing.BLIND);
    }
    const due = times.filter((time) => time !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  // ── what the guest does ───────────────────────────────────────────────────────────────────────
  leave(now: number): Effect[] {
    return this.#step(now, (members) => {
      if (this.over !== null) return;
      for (const key of members.connected()) members.say(key, { t: "room-leave" });
      members.finish("left");
    });
  }

  raiseHand(up: boolean, now: number): Effect[] {
    this.#members.hand = up;
    return this.#step(now);
  }

  /** A line to everybody, or to one; null if they are not in. */
  say(text: string, to: Key | null, now: number): Effect[] | null {
    if (to !== null && !this.seated(to)) return null;
    return this.#step(now, (members) => {
      for (const key of to === null ? members.connected() : [to]) members.say(key, { t: "room-say", text, private: to !== null });
    });
  }

  react(emoji: string, now: number): Effect[] {
    return this.#step(now, (members) => {
      for (const key of members.connected()) members.say(key, { t: "react", emoji });
    });
  }

  // ── what happens ──────────────────────────────────────────────────────────────────────────────
  /** A channel with this key is open. */
  opened(key: Key, now: number): Effect[] {
    return this.#step(now, (members) => {
      if (!members.welcome(key)) {
        this.#election.tellRemoved(key);
        return members.emit({ do: "close", key });
      }
      const other = members.obtain(key);
      Object.assign(other, { up: true, upAt: now, tryAt: null, pause: timing.RETRY, told: "", strayUntil: null });
      if (members.roster === null) this.#admission.knock();
      else if (!members.seated(key)) other.strayUntil = now + timing.STRAY;
      if (key === members.roster?.host) {
        members.hostLostAt = null;
        // Whoever was out of reach is so no more: through this host.
        for (const one of members.others.values()) if (one.tryAt !== null) one.tryAt = now;
      }
      this.#attendance.hurry();
    });
  }

  /** The channel with this key is gone, or none could be opened. */
  lost(key: Key, now: number): Effect[] {
    const other = this.#members.others.get(key);
    if (other === undefined) {
      this.#members.now = now;
      return [];
    }
    return this.#step(now, (members) => {
      if (this.over !== null) return;
      // One that was good is looked for at once: another way may be there.
      const soon = other.up && now - other.upAt >= timing.GOOD;
      Object.assign(other, { up: false, here: NOT_HERE, blindSince: null, ringAt: null, strayUntil: null });
      if (members.opens(key)) {
        other.tryAt = soon ? now : now + other.pause;
        if (!soon) other.pause = Math.min(other.pause * 2, timing.MAX_RETRY);
      } else if (!members.seated(key) && !other.calling) members.others.delete(key);
      if (key === members.roster?.host) members.hostLostAt ??= now;
    });
  }

  /** A message over the channel with this key. Whatever it is, it is dealt with. */
  received(key: Key, message: FromSeat, now: number): Effect[] {
    return this.#step(now, (members) => {
      if (this.over !== null) return;
      if (message.t === "roster") this.#election.takeRoster(key, message);
      else if (this.phase === "at-door") this.#admission.heard(key, message);
      else if (members.seated(key)) this.#fromSeat(members, key, message);
    });
  }

  /** Media of this seat reaches us, or no more. */
  media(key: Key, up: boolean, now: number): Effect[] {
    return this.#step(now, (members) => {
      const other = members.others.get(key);
      if (other === undefined) return;
      other.media = up;
      if (up) {
        other.calling = true;
        if (other.tryAt !== null) other.tryAt = now; // beside the media there is a way
      }
    });
  }

  /** They have begun the call with us. */
  called(key: Key, now: number): Effect[] {
    return this.#step(now, (members) => {
      members.obtain(key).calling = true;
    });
  }

  /** The call with this seat is over; while both are in, it is begun again. */
  callOver(key: Key, now: number): Effect[] {
    return this.#step(now, (members) => {
      const other = members.others.get(key);
      if (other === undefined) return;
      other.media = other.calling = false;
      if (other.up && members.isCaller(key)) other.ringAt = now + 2 * timing.RETRY;
    });
  }

  /** Does what is due. Early and repeated calls do no harm. */
  tick(now: number): Effect[] {
    return this.#step(now, (members) => {
      if (this.over !== null) return;
      const knock = this.#admission.nextTimeout;
      if (knock !== null && now >= knock) return members.finish("no-answer");
      for (const [key, other] of members.others)
        if (other.strayUntil !== null && now >= other.strayUntil) {
          other.strayUntil = null;
          members.emit({ do: "close", key });
        }
      this.#election.tick();
    });
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────
  #fromSeat(members: Members, key: Key, message: FromSeat): void {
    switch (message.t) {
      case "here":
        this.#attendance.heard(key, message);
        break;
      case "lent":
        // Only whoever is host lends: credentials of others would tell them by whom we are relayed.
        if (key === members.roster!.host) members.lent(message.servers);
        break;
      case "room-request": {
        const role = members.seat(key)?.role;
        const may = role === "host" || role === "co-host";
        if (may && message.act === "mute" && message.seat === members.me) members.emit({ do: "asked-to-mute", by: key });
        break;
      }
      case "room-say":
        members.emit({ do: "said", by: key, text: message.text, private: message.private });
        break;
      case "react":
        members.emit({ do: "reacted", by: key, emoji: message.emoji });
        break;
      case "room-leave":
        this.#election.left(key);
        break;
      default:
        break;
    }
  }

  /** Takes an event, and gives what is to be done. */
  #step(now: number, act: (members: Members) => void = () => undefined): Effect[] {
    const members = this.#members;
    members.now = now;
    act(members);
    if (members.over === null) this.#attendance.watchAlone();
    if (members.over === null) {
      members.openDue();
      members.planCalls();
      this.#attendance.tell();
    }
    const effects = members.out;
    members.out = [];
    return effects;
  }
}
