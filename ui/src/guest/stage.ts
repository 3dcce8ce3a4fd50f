// Where a guest is, and what a visit to a room and the page that loads it have to do with each other.
import type { FromNode, Kind, RoomShown } from "../node/messages.js";
import type { Bytes } from "../protocol/bytes.js";
import type { LineBrowser, LineEnd } from "./line.js";
import type { GuestVisit } from "./room/visit.js";

/** The number of the one page there is. */
export const PAGE = 1;

/** The line is away, and comes back by itself: why, and how often that was tried by now. */
export interface Trying {
  readonly why: LineEnd;
  readonly tries: number;
}

/** Where a guest is on the way into a call and out of it. `trying`: the line is away meanwhile. */
export type Stage =
  | { at: "opening" }
  | { at: "door"; trying?: Trying }
  | { at: "knocking"; state: "sent" | "delivered" | "shown" | "busy"; trying?: Trying }
  | { at: "in" }
  | { at: "denied"; reason: string }
  | { at: "failed"; why: LineEnd; trying?: Trying }
  | { at: "over"; reason: string; seconds: number };

/** What a visit needs of the page. */
export interface RoomPage {
  readonly browser: Pick<LineBrowser, "now" | "key">;
  openLine(): void;
  closeLine(): void;
  /** For who is not in yet: what to show while the line is away, or null if it stays away. */
  trying(why: LineEnd): Trying | null;
  /** This visit led nowhere, and another takes its place: the guest still waits. */
  renew(): void;
  carry(data: Bytes): void;
  take(message: FromNode): void;
  /** Shows this of the room. */
  show(room: RoomShown): void;
  stage(stage: Stage): void;
  /** The visit is over. */
  finish(stage: Stage): void;
  number(): number;
  after(ms: number, run: () => void): () => void;
  random(bytes: number): Bytes;
}

/** What a guest goes into a room with. */
export interface GuestOptions {
  readonly room: Bytes;
  readonly host: Bytes;
  readonly name: string;
  readonly kinds: readonly Kind[];
}

export type VisitRoom = (page: RoomPage, options: GuestOptions) => Promise<GuestVisit>;

/** Parts of the page that are loaded once it is known which of them is needed. */
export interface Parts {
  /** The screen of a call. */
  call(): Promise<unknown>;
  /** What a room needs, its screen included. */
  room(): Promise<VisitRoom>;
}
