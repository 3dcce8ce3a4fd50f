// Rosters as a guest reads them: checked, compared, and never signed (onmeet_node/protocol/room/roster.py has
// the reasons).
import { verify } from "./ed25519.js";
import type { Role } from "../node/messages.js";
import { hash, join, utf8, type Bytes } from "./bytes.js";
import { asMap, binary, choice, flag, hex, integer, list, text, unpackMap, WireError } from "./guest-messages.js";
import { key, keys, unhex, type Key, type SignedRoster } from "./room-messages.js";
import { MAX_COUNT, MAX_REMOVED, MAX_SEATS, ROLES } from "./room-tables.js";
import { MAX_NAME_CHARS, MAX_TYPE_CHARS, ROOM_ID_BYTES } from "./tables.js";

const DOMAIN = utf8("onmeet room roster 1");

export interface Seat {
  readonly key: Key;
  readonly role: Role;
  /** Of coming in; never given twice. */
  readonly order: number;
  readonly name: string;
  readonly video: boolean;
}

export interface Roster {
  readonly room: string;
  readonly host: Key;
  readonly term: number;
  readonly claims: number;
  readonly version: number;
  readonly title: string;
  readonly locked: boolean;
  readonly knock: boolean;
  readonly ended: boolean;
  readonly seats: readonly Seat[];
  readonly removed: readonly Key[];
  /** Names what it says, in hex. */
  readonly digest: string;
}

/** What a roster says, if it is one of this room and its signature holds; null for whatever is none. */
export function readRoster(signed: SignedRoster, room: string): Roster | null {
  if (!verify(unhex(signed.signer), join(DOMAIN, signed.body), signed.signature)) return null;
  let body: Roster;
  let next: number;
  try {
    [body, next] = parse(signed.body);
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
  const seated = new Set(body.seats.map((seat) => seat.key));
  const orders = new Set(body.seats.map((seat) => seat.order));
  const hosts = body.seats.filter((seat) => seat.role === "host");
  const sound =
    body.room === room &&
    seated.size === body.seats.length &&
    orders.size === body.seats.length &&
    hosts.length === 1 &&
    hosts[0]!.key === body.host &&
    Math.max(...orders) < next &&
    !body.removed.some((one) => seated.has(one));
  return sound ? body : null;
}

function parse(data: Bytes): [Roster, number] {
  const map = unpackMap(data);
  if (text(map, "t", MAX_TYPE_CHARS) !== "roster-body") throw new WireError("no roster");
  const seats = list(map, "seats", MAX_SEATS + 1).map((one): Seat => {
    const seat = asMap(one);
    return {
      key: key(seat, "key"),
      role: choice(seat, "role", ROLES, "member"),
      order: integer(seat, "order", MAX_COUNT),
      name: text(seat, "name", MAX_NAME_CHARS, ""),
      video: flag(seat, "video", true),
    };
  });
  const removed = keys(map, "removed", MAX_REMOVED + 1);
  if (seats.length === 0 || seats.length > MAX_SEATS || removed.length > MAX_REMOVED) throw new WireError("nobody, or too many");
  const body: Roster = {
    room: hex(binary(map, "room", ROOM_ID_BYTES)),
    host: key(map, "host"),
    term: integer(map, "term", MAX_COUNT, 0),
    claims: integer(map, "claims", MAX_COUNT, 0),
    version: integer(map, "version", MAX_COUNT, 0),
    title: text(map, "title", MAX_NAME_CHARS, ""),
    locked: flag(map, "locked", false),
    knock: flag(map, "knock", true),
    ended: flag(map, "ended", false),
    seats,
    removed,
    digest: hex(hash(data, 16)),
  };
  return [body, integer(map, "next_order", MAX_COUNT, 1)];
}

export const seatOf = (roster: Roster | null, one: Key): Seat | null =>
  roster?.seats.find((seat) => seat.key === one) ?? null;

export const sameOffice = (one: Roster, other: Roster): boolean =>
  one.host === other.host && one.term === other.term && one.claims === other.claims;

/** A later word of the same host in the same office. */
export const newer = (one: Roster, other: Roster): boolean => sameOffice(one, other) && one.version > other.version;

/** Of two hosts who are both there, whether this one's counts (`precedence`): fewer claims, then who came first. */
export function precedes(one: Roster, other: Roster): boolean {
  if (one.claims !== other.claims) return one.claims < other.claims;
  const [a, b] = [seatOf(one, one.host)!.order, seatOf(other, other.host)!.order];
  return a !== b ? a < b : one.host < other.host;
}

/** Who carries the room on, in this order: the host, co-hosts, members; never guests. */
export const succession = (roster: Roster): Key[] =>
  roster.seats
    .filter((seat) => seat.role !== "guest")
    .sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role) || a.order - b.order)
    .map((seat) => seat.key);
