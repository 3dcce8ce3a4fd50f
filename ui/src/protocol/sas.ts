// The authentication string of a call (onmeet_node/protocol/identity/safety.py has the reasons).
import { join, utf8, type Bytes } from "./bytes.js";

const ROUNDS = 4_096;
const DOMAIN = "onmeet call string 1";

/** Twelve digits, “0123 4567 8901”: of what binds the call, and both DTLS fingerprints. */
export const sas = (binding: Bytes, fingerprintA: Bytes, fingerprintB: Bytes): Promise<string> =>
  digits(DOMAIN, join(binding, ...sorted(fingerprintA, fingerprintB)));

/** Twelve digits that whoever has the same seed has too, and that are dear to search a seed for. */
export async function digits(domain: string, seed: Bytes): Promise<string> {
  let digest = join(utf8(domain), seed);
  for (let round = 0; round < ROUNDS; round++)
    digest = new Uint8Array(await crypto.subtle.digest("SHA-512", join(digest, seed)));
  return [0, 1, 2]
    .map((n) => digest.slice(5 * n, 5 * n + 5).reduce((sum, byte) => sum * 256 + byte, 0) % 10_000)
    .map((number) => String(number).padStart(4, "0"))
    .join(" ");
}

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
