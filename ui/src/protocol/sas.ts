// The authentication string of a call (onmeet_node/protocol/identity/safety.py has the reasons).
import { hash, join, utf8, type Bytes } from "./bytes.js";
import type { Nonces } from "./call-authentication.js";

const ROUNDS = 4_096;
const DOMAIN = utf8("onmeet call string 2");

/** Six digits, “012 345”: of what binds the call, both DTLS fingerprints, and both nonces. */
export function sas(binding: Bytes, fingerprintA: Bytes, fingerprintB: Bytes, nonces: Nonces): string {
  const certificates = sorted(fingerprintA, fingerprintB);
  const digest = hash(join(DOMAIN, binding, ...certificates, nonces.offerer, nonces.answerer), 32);
  const text = String(number(digest.slice(0, 5)) % 1_000_000).padStart(6, "0");
  return `${text.slice(0, 3)} ${text.slice(3)}`;
}

/** Twelve digits that whoever has the same seed has too, and that are dear to search a seed for. */
export async function digits(domain: string, seed: Bytes): Promise<string> {
  let digest = join(utf8(domain), seed);
  for (let round = 0; round < ROUNDS; round++)
    digest = new Uint8Array(await crypto.subtle.digest("SHA-512", join(digest, seed)));
  return [0, 1, 2]
    .map((n) => number(digest.slice(5 * n, 5 * n + 5)) % 10_000)
    .map((four) => String(four).padStart(4, "0"))
    .join(" ");
}

const number = (big: Bytes): number => big.reduce((sum, byte) => sum * 256 + byte, 0);

/** Two byte strings of one length, the lesser first. */
export function sorted(a: Bytes, b: Bytes): [Bytes, Bytes] {
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at >= 0 && a[at]! > b[at]! ? [b, a] : [a, b];
}

/** The one SHA-256 of a DTLS certificate in an SDP (RFC 8122); null if there is none, or several. */
export function fingerprint(sdp: string): Bytes | null {
  const found = new Set(
    [...sdp.matchAll(/^a=fingerprint:sha-256[ \t]+((?:[0-9a-f]{2}:){31}[0-9a-f]{2})[ \t]*\r?$/gim)].map((one) =>
      one[1]!.toUpperCase(),
    ),
  );
  const [only] = found;
  if (found.size !== 1 || only === undefined) return null;
  return Uint8Array.from(only.split(":"), (pair) => Number.parseInt(pair, 16));
}
