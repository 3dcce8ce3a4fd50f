// Whose roster counts for a guest, and what follows from it (onmeet_node/protocol/room/election.py). A
// guest follows, and carries nothing on.
import { hex } from "./guest-messages.js";
import type { Members } from "./room-members.js";
import { unhex, type Key, type SignedRoster } from "./room-messages.js";
import { newer, precedes, readRoster, sameOffice, seatOf, type Roster, type Seat } from "./room-roster.js";
import * as timing from "./room-timing.js";

export class Election {
  /** Rosters of others who would be host; of use when the host is lost. */
  #rivalRosters = new Map<Key, readonly [Roster, SignedRoster]>();
  /** To whom the host told something else than to us, as was said already. */
  #mismatched = new Set<Key>();

  constructor(private readonly members: Members) {}

  /** Somebody shows us a roster. */
  takeRoster(sender: Key, signed: SignedRoster): void {
    const { members } = this;
    const body = readRoster(signed, hex(members.knock.room));
    if (body === null) return members.emit({ do: "close", key: sender });
    if (body.host === members.me) return; // a guest carries nothing on
    const mine = members.roster;
    if (mine === null) {
      const theirs = sender === members.knock.host && sender === body.host && signed.signer === sender;
      if (theirs && seatOf(body, members.me) !== null) this.#adopt(body, signed);
      return;
    }
    const before = members.previousHost;
    if (before !== null && this.#isLateHandover(before, body, signed)) return this.#follow(body, signed);
    if (before !== null && signed.signer === before.host && before.host === body.host && sender !== body.host) {
      // What a claimant shows of the host before it.
      if (newer(body, before)) members.previousHost = body;
      if (!sameOffice(body, mine)) return;
    }
    if ((signed.signer !== body.host && signed.signer !== mine.host) || mine.ended) return;
    if (newer(body, mine) && signed.signer === mine.host) this.#follow(body, signed);
    else if (sameOffice(body, mine)) {
      if (body.version === mine.version && body.digest !== mine.digest) this.mismatch(sender);
    } else if (signed.signer === mine.host && body.term > mine.term && body.host !== mine.host) {
      this.#follow(body, signed); // the host names who carries on
    } else if (sender === mine.host && signed.signer === body.host) {
      this.#follow(body, signed); // our host yields to another, and we with it
    } else this.#rival(sender, mine, body, signed);
  }

  /** Whether the host whose place was claimed had named somebody, and we had not heard it. */
  #isLateHandover(before: Roster, body: Roster, signed: SignedRoster): boolean {
    const named = signed.signer === before.host && body.host !== before.host && body.term > before.term;
    return named && this.members.up(body.host) && body.claims === before.claims && body.claims < this.members.roster!.claims;
  }

  /** A roster of another host: of somebody who carried on, or a pretender. */
  #rival(sender: Key, mine: Roster, body: Roster, signed: SignedRoster): void {
    const { members } = this;
    const { host } = body;
    if (sender !== host || signed.signer !== host || !members.welcome(host)) return;
    const known = seatOf(mine, host) ?? (members.previousHost?.host === host ? seatOf(body, host) : null);
    if (known === null || known.role === "guest") return members.emit({ do: "close", key: sender });
    const first = precedes(body, mine);
    const alive = members.up(mine.host) && members.hostLostAt === null;
    if (!first && alive) this.#rivalRosters.set(host, [body, signed]);
    else if (body.removed.includes(members.me)) members.finish("removed");
    else if (seatOf(body, members.me) === null) return; // it has given us up, and may take us in again
    else if (first || this.#lostForGood()) this.#follow(body, signed);
    else this.#rivalRosters.set(host, [body, signed]);
  }

  #follow(body: Roster, signed: SignedRoster): void {
    const { me } = this.members;
    if (seatOf(body, me) !== null || body.ended) this.#adopt(body, signed);
    else if (body.removed.includes(me)) this.members.finish("removed");
    // Else we were given up while we were away: we stay as we are until we are taken in again.
  }

  #adopt(body: Roster, signed: SignedRoster): void {
    const { members } = this;
    const { me, now, previousHost, roster: before } = members;
    if (before !== null && body.claims > before.claims) members.previousHost = before;
    else if (previousHost !== null && body.claims <= previousHost.claims) members.previousHost = null;
    members.roster = body;
    members.signed = signed;
    if (before === null) members.dialAt ??= now + timing.LENT;
    if (before?.host !== body.host || before.term !== body.term) {
      const there = members.up(body.host) && !this.resigned(body.host);
      members.hostLostAt = there ? null : now;
      this.#rivalRosters.clear();
    }
    for (const seat of before?.seats ?? []) if (seat.key !== me && !members.seated(seat.key)) this.#unseat(body, seat);
    for (const seat of body.seats) if (seat.key !== me) this.#seat(seat);
    members.emit({ do: "roster-changed", roster: body, before });
    if (body.ended) members.finish("ended");
  }

  #seat(seat: Seat): void {
    const other = this.members.obtain(seat.key);
    other.strayUntil = null;
    if (!other.up && other.tryAt === null && this.members.opens(seat.key)) other.tryAt = this.members.now;
  }

  /** Somebody is no longer in: their call ends. */
  #unseat(body: Roster, { key }: Seat): void {
    const { members } = this;
    const other = members.others.get(key);
    if (other === undefined) return;
    const removed = body.removed.includes(key);
    if (removed) this.tellRemoved(key);
    members.hangUp(key);
    other.ringAt = other.blindSince = null;
    if (removed) {
      members.others.delete(key);
      members.emit({ do: "close", key });
    } else if (other.up) other.strayUntil = members.now + timing.STRAY;
    else if (!members.opens(key)) members.others.delete(key);
  }

  /** Whoever was sent out may not have heard it: the host's last word may go with its channel. */
  tellRemoved(key: Key): void {
    const { signed } = this.members;
    if (signed === null) return;
    const { body, signer, signature } = signed;
    this.members.say(key, { t: "roster", body, signer: unhex(signer), signature });
  }

  /** The host shows this other person another roster than us; told once. */
  mismatch(other: Key): void {
    if (this.#mismatched.has(other)) return;
    this.#mismatched.add(other);
    this.members.emit({ do: "roster-mismatch", other });
  }

  // ── a host that is gone ───────────────────────────────────────────────────────────────────────
  /** Whether this host says itself that another is host. */
  resigned(host: Key): boolean {
    const keeper = this.members.others.get(host)?.here.keeper ?? null;
    return keeper !== null && keeper !== host;
  }

  #lostForGood(): boolean {
    const { hostLostAt, now } = this.members;
    return hostLostAt !== null && now >= hostLostAt + timing.CLAIM;
  }

  /** When we follow somebody who carries on, if nothing changes. */
  get nextTimeout(): number | null {
    const { hostLostAt } = this.members;
    return hostLostAt === null || this.#rivalRosters.size === 0 ? null : hostLostAt + timing.CLAIM;
  }

  /** Follows whoever carries on, if it is time. */
  tick(): void {
    const { members } = this;
    const due = this.nextTimeout;
    if (due === null || members.now < due) return;
    let best: readonly [Roster, SignedRoster] | null = null;
    for (const one of this.#rivalRosters.values()) {
      const [body] = one;
      if (members.up(body.host) && seatOf(body, members.me) !== null && (best === null || precedes(body, best[0]))) best = one;
    }
    this.#rivalRosters.clear();
    if (best !== null) this.#follow(...best);
  }

  /** Somebody said that they leave. */
  left(key: Key): void {
    const { members } = this;
    members.hangUp(key);
    // It named somebody, or nobody was there: we wait for them no longer than needs be.
    if (key === members.roster!.host) members.hostLostAt = members.now - timing.CLAIM;
  }
}
