// The nonces of one generation of media, which its authentication string is made of
// (onmeet_node/protocol/call/authentication.py has the reasons).
import { hash, join, utf8, type Bytes } from "./bytes.js";
import { COMMITMENT_BYTES, MAX_STRINGS } from "./tables.js";

const DOMAIN = utf8("onmeet call commitment 1");

/** Why a generation has no string, and will have none. */
export type Doubt = "missing" | "wrong" | "too-many";
export interface Nonces {
  readonly offerer: Bytes;
  readonly answerer: Bytes;
}

/** What goes with an offer: a hash of the nonce that is revealed once it is answered. */
export const commitment = (call: Bytes, generation: number, nonce: Bytes): Bytes =>
  hash(join(DOMAIN, call, Uint8Array.of(generation >> 8, generation & 255), nonce), COMMITMENT_BYTES);

/** How many more nonces are shown in one call, over all its generations. */
export class StringAllowance {
  #left = MAX_STRINGS;

  take(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}

const same = (a: Bytes, b: Bytes) => a.length === b.length && a.every((byte, index) => byte === b[index]);

/** One generation's. What was said first counts; what it came to is final. */
export class NonceExchange {
  /** The offerer's. */
  commitment: Bytes | null = null;
  /** Our nonce, once the other side may know it. */
  shown: Bytes | null = null;
  /** Null while the other side's part is awaited. */
  outcome: Nonces | Doubt | null = null;
  #mine: Bytes | null = null;

  /** `ours`: we offered, so we commit and reveal; else they do. */
  constructor(
    private readonly call: Bytes,
    private readonly generation: number,
    private readonly allowance: StringAllowance,
    private readonly ours: boolean,
  ) {}

  /** Our offer is made, with a fresh nonce. */
  offer(nonce: Bytes): void {
    if (this.#mine !== null) return;
    this.#mine = nonce;
    this.commitment = commitment(this.call, this.generation, nonce);
  }

  /** Their answer, with their nonce: from now on ours may be shown. */
  answered(nonce: Bytes | null): void {
    if (!this.ours || this.#mine === null || this.outcome !== null) return;
    if (nonce === null) this.outcome = "missing";
    else if (!this.allowance.take()) this.outcome = "too-many";
    else {
      this.shown = this.#mine;
      this.outcome = { offerer: this.#mine, answerer: nonce };
    }
  }

  /** Their offer, with what they committed to. */
  offered(committed: Bytes | null): void {
    if (this.commitment === null && this.#mine === null) this.commitment = committed;
  }

  /** Our answer is made, with a fresh nonce, which is shown if it counts. */
  answer(nonce: Bytes): void {
    if (this.#mine !== null) return;
    this.#mine = nonce;
    if (this.outcome !== null) return;
    if (this.commitment === null) this.outcome = "missing";
    else if (!this.allowance.take()) this.outcome = "too-many";
    else this.shown = nonce;
  }

  /** Their nonce, which has to fit their commitment. */
  revealed(nonce: Bytes): void {
    if (this.ours || this.outcome !== null) return;
    const { shown, commitment: committed } = this;
    if (shown === null || committed === null || !same(committed, commitment(this.call, this.generation, nonce)))
      this.outcome = "wrong";
    else this.outcome = { offerer: nonce, answerer: shown };
  }
}
