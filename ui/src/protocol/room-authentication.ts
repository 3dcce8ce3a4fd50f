// The room's authentication string, and the nonces to which all commit for it
// (onmeet_node/protocol/room/authentication.py has the reasons).
import { hash, join, utf8, type Bytes } from "./bytes.js";
import { digits } from "./sas.js";
import { hex } from "./guest-messages.js";
import type { Roster } from "./room-roster.js";
import { unhex, type Here, type Key } from "./room-messages.js";
import { COMMITMENT_BYTES, NONCE_BYTES } from "./tables.js";

const COMMITMENT_DOMAIN = utf8("onmeet room pledge 1");
const STRING_DOMAIN = "onmeet room string 1";
/** Rosters whose rounds are remembered: one that comes back finds what was said for it. */
const MAX_ROUNDS = 1_024;

/** What somebody says of their nonce before they show it. `digest`: of the roster. */
export const commitment = (digest: string, key: Key, nonce: Bytes): Bytes =>
  hash(join(COMMITMENT_DOMAIN, unhex(digest), unhex(key), nonce), COMMITMENT_BYTES);

/** Twelve digits, the same for everybody who knows the same keys and nonces. */
export function roomString(room: string, nonces: ReadonlyMap<Key, Bytes>): Promise<string> {
  const parts = [...nonces].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([key, nonce]) => [unhex(key), nonce]);
  return digits(STRING_DOMAIN, join(unhex(room), ...parts));
}

/** The nonces of everybody for one roster. What was said first counts. */
export class CommitmentRound {
  /** Ours, for everybody to know. */
  readonly commitment: Bytes;
  #keys: readonly Key[];
  #committed = new Map<Key, string>();
  #shown = new Map<Key, Bytes>();

  constructor(
    roster: Roster,
    private readonly me: Key,
    private readonly mine: Bytes,
  ) {
    this.#keys = roster.seats.map((seat) => seat.key);
    this.commitment = commitment(roster.digest, me, mine);
    this.#committed.set(me, hex(this.commitment));
    this.#shown.set(me, mine);
  }

  /** Ours; undefined until everybody has committed to theirs. */
  get nonce(): Bytes | undefined {
    return this.#keys.every((key) => this.#committed.has(key)) ? this.mine : undefined;
  }

  /** Everybody's; null until all have shown theirs. */
  get nonces(): ReadonlyMap<Key, Bytes> | null {
    return this.#keys.every((key) => this.#shown.has(key)) ? this.#shown : null;
  }

  /** What somebody says for this roster: their commitment, and then their nonce. */
  take(key: Key, { digest, commitment: committed, nonce }: Here): void {
    if (digest === null || key === this.me || !this.#keys.includes(key)) return;
    if (committed !== null && !this.#committed.has(key)) this.#committed.set(key, hex(committed));
    if (nonce !== null && !this.#shown.has(key) && this.#committed.get(key) === hex(commitment(digest, key, nonce)))
      this.#shown.set(key, nonce);
  }
}

/** The rounds of one room, as one of its people knows them. */
export class StringAuthentication {
  #rounds = new Map<string, CommitmentRound>();

  constructor(
    private readonly me: Key,
    private readonly random: (bytes: number) => Bytes,
  ) {}

  round(roster: Roster): CommitmentRound {
    let round = this.#rounds.get(roster.digest);
    if (round === undefined) {
      round = new CommitmentRound(roster, this.me, this.random(NONCE_BYTES));
      this.#rounds.set(roster.digest, round);
      if (this.#rounds.size > MAX_ROUNDS) this.#rounds.delete(this.#rounds.keys().next().value!);
    }
    return round;
  }
}
