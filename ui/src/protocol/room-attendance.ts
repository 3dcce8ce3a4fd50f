// Who sees whom in a room: what a guest says of it and hears of it, and what is wrong when the two do not
// fit (onmeet_node/protocol/room/attendance.py).
import type { Bytes } from "./bytes.js";
import { StringAuthentication, type CommitmentRound } from "./room-authentication.js";
import type { Election } from "./room-election.js";
import type { Members } from "./room-members.js";
import { unhex, type Here, type Key } from "./room-messages.js";
import { succession, type Roster } from "./room-roster.js";
import { MAX_SEATS } from "./room-tables.js";
import * as timing from "./room-timing.js";

export class Attendance {
  /** When we say next what we see; null: nobody needs to hear it. */
  #hereAt: number | null = null;
  /** Since when nobody is reached who could carry on. */
  #aloneSince: number | null = null;
  #authentication: StringAuthentication;
  /** The roster of which it was told that it has an authentication string. */
  #stringTold = "";
  /** The roster as it was told last. */
  #roster: Roster | null = null;

  constructor(
    private readonly members: Members,
    private readonly election: Election,
    random: (bytes: number) => Bytes,
  ) {
    this.#authentication = new StringAuthentication(members.me, random);
  }

  get nextTimeout(): readonly (number | null)[] {
    return [this.#hereAt, this.#aloneSince === null ? null : this.#aloneSince + timing.AWAY];
  }

  /** What we see is to be said at once. */
  hurry(): void {
    this.#hereAt = this.members.now;
  }

  /** Somebody says whom they see, and which roster they go by. */
  heard(key: Key, here: Here): void {
    const { members } = this;
    const mine = members.roster!;
    members.obtain(key).here = here;
    if (here.digest === null) return;
    if (key === mine.host) {
      if (!this.election.resigned(key)) members.hostLostAt = null;
      else members.hostLostAt ??= members.now; // it follows another; we have lost it
    }
    const same = here.keeper === mine.host && here.term === mine.term && here.version === mine.version;
    if (same && here.digest !== mine.digest) this.election.mismatch(key);
  }

  /** Guests carry no room on: without anybody who could, it is over for them. */
  watchAlone(): void {
    const { members } = this;
    if (members.roster === null) return;
    if (succession(members.roster).some((key) => members.up(key))) this.#aloneSince = null;
    else if (members.now >= (this.#aloneSince ??= members.now) + timing.AWAY) members.finish("lost");
  }

  /** What others are told, and what the page is, before any effects go out. */
  tell(): void {
    this.#watchHalves();
    this.#tellHere();
  }

  #watchHalves(): void {
    const { members } = this;
    for (const key of members.connected()) {
      const other = members.others.get(key)!;
      if (other.media && other.here.sees.includes(members.me)) {
        if (other.blindTold) members.emit({ do: "media-restored", key });
        other.blindSince = null;
        other.blindTold = false;
      } else if (other.blindSince === null) other.blindSince = members.now;
      else if (!other.blindTold && members.now >= other.blindSince + timing.BLIND) {
        other.blindTold = true;
        members.emit({ do: "one-way-media", key });
      }
    }
  }

  /**
   * Says what we see of the room, to whom it is news. NOTE: not at each change: all of it goes through
   * one host, who takes 50 messages a second of us, and media comes up with everybody at once.
   */
  #tellHere(): void {
    const { members } = this;
    const { hand, now, others, roster } = members;
    if (roster !== this.#roster) this.hurry();
    this.#roster = roster;
    if (roster === null) {
      this.#hereAt = null;
      return;
    }
    const round = this.#round(roster);
    const { nonces, nonce } = round;
    if (nonces !== null && this.#stringTold !== roster.digest) {
      this.#stringTold = roster.digest;
      members.emit({ do: "string-ready", digest: roster.digest, nonces });
    }
    const sees = [...others].filter(([, other]) => other.media).map(([key]) => key).sort().slice(0, MAX_SEATS);
    const host = members.up(roster.host);
    const said = JSON.stringify([sees, host, hand, roster.digest, roster.term, roster.host, nonce !== undefined]);
    const news = members.connected().filter((key) => others.get(key)!.told !== said);
    if (news.length === 0) {
      this.#hereAt = null;
      return;
    }
    this.#hereAt ??= now + timing.HERE;
    if (now < this.#hereAt) return;
    this.#hereAt = null;
    for (const key of news) {
      others.get(key)!.told = said;
      members.say(key, {
        t: "here",
        sees: sees.map(unhex),
        host,
        hand,
        digest: unhex(roster.digest),
        version: roster.version,
        term: roster.term,
        keeper: unhex(roster.host),
        commitment: round.commitment,
        nonce,
      });
    }
  }

  /** The commitments for this roster, with all that others have said of it. */
  #round(roster: Roster): CommitmentRound {
    const round = this.#authentication.round(roster);
    for (const [key, other] of this.members.others) if (other.here.digest === roster.digest) round.take(key, other.here);
    return round;
  }
}
