// The room's string, and the numbers that all pledge for it (onmeet_node/protocol/room/authentication.py has the
// reasons).
import { hash, join, utf8, type Bytes } from "./noise.js";
import { digits } from "./sas.js";
import { hex } from "./guest-messages.js";
import type { Roster } from "./room-roster.js";
import { unhex, type Here, type Key } from "./room-messages.js";
import { COMMITMENT_BYTES, NONCE_BYTES } from "./room-tables.js";

const PLEDGE = utf8("onmeet room pledge 1");
const STRING = "onmeet room string 1";
/** Rosters whose pledges are remembered: one that comes back finds what was said for it. */
const MAX_ROUNDS = 1_024;

/** What somebody says of their number before they show it. `digest`: of the roster. */
export const commitment = (digest: string, key: Key, nonce: Bytes): Bytes =>
  hash(join(PLEDGE, unhex(digest), unhex(key), nonce), COMMITMENT_BYTES);

/** Twelve digits, the same for everybody who knows the same keys and numbers. */
export function roomString(room: string, numbers: ReadonlyMap<Key, Bytes>): Promise<string> {
  const parts = [...numbers].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([key, nonce]) => [unhex(key), nonce]);
  return digits(STRING, join(unhex(room), ...parts));
}

/** The numbers of everybody for one roster. What was said first counts. */
export class Round {
  /** Ours, for everybody to know. */
  readonly commitment: Bytes;
  #keys: readonly Key[];
  #pledged = new Map<Key, string>();
  #shown = new Map<Key, Bytes>();

  constructor(
    roster: Roster,
    private readonly me: Key,
    private readonly mine: Bytes,
  ) {
    this.#keys = roster.seats.map((seat) => seat.key);
    this.commitment = commitment(roster.digest, me, mine);
    this.#pledged.set(me, hex(this.commitment));
    this.#shown.set(me, mine);
  }

  /** Our number; undefined until everybody has pledged theirs. */
  get nonce(): Bytes | undefined {
    return this.#keys.every((key) => this.#pledged.has(key)) ? this.mine : undefined;
  }

  /** Everybody's; null until all have shown theirs. */
  get numbers(): ReadonlyMap<Key, Bytes> | null {
    return this.#keys.every((key) => this.#shown.has(key)) ? this.#shown : null;
  }

  /** What somebody says for this roster: their commitment, and then their number. */
  take(key: Key, { digest, commitment: pledged, nonce }: Here): void {
    if (digest === null || key === this.me || !this.#keys.includes(key)) return;
    if (pledged !== null && !this.#pledged.has(key)) this.#pledged.set(key, hex(pledged));
    if (nonce !== null && !this.#shown.has(key) && this.#pledged.get(key) === hex(commitment(digest, key, nonce)))
      this.#shown.set(key, nonce);
  }
}

export class Pledges {
  #rounds = new Map<string, Round>();

  constructor(
    private readonly me: Key,
    private readonly random: (bytes: number) => Bytes,
  ) {}

  round(roster: Roster): Round {
    let round = this.#rounds.get(roster.digest);
    if (round === undefined) {
      round = new Round(roster, this.me, this.random(NONCE_BYTES));
      this.#rounds.set(roster.digest, round);
      if (this.#rounds.size > MAX_ROUNDS) this.#rounds.delete(this.#rounds.keys().next().value!);
    }
    return round;
  }
}
