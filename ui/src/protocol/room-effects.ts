// What a guest's room machine asks for (onmeet_node/protocol/room/effects.py).
import type { RoomEnd } from "../node/messages.js";
import type { TurnServer } from "./guest-messages.js";
import type { Key, ToSeat } from "./room-messages.js";
import type { Bytes } from "./bytes.js";
import type { Roster } from "./room-roster.js";

export type Effect =
  | { do: "send"; to: Key; message: ToSeat }
  /** Open a channel; `opened` or `lost` follows. */
  | { do: "open"; key: Key }
  | { do: "close"; key: Key }
  /** Begin the call: who came later offers. */
  | { do: "ring"; key: Key }
  | { do: "hang-up"; key: Key }
  /** Who is in, or what the room is like, changed. */
  | { do: "roster-changed"; roster: Roster; before: Roster | null }
  /** Everybody in this roster has shown their nonce for the room's authentication string. */
  | { do: "string-ready"; digest: string; nonces: ReadonlyMap<Key, Bytes> }
  | { do: "wait"; state: "delivered" | "shown" | "busy" }
  | { do: "lent"; servers: readonly TurnServer[] }
  | { do: "asked-to-mute"; by: Key }
  | { do: "said"; by: Key; text: string; private: boolean }
  | { do: "reacted"; by: Key; emoji: string }
  /** We and they do not see each other, or only one of us does. */
  | { do: "one-way-media"; key: Key }
  | { do: "media-restored"; key: Key }
  /** The host told them something else than us. */
  | { do: "roster-mismatch"; other: Key }
  | { do: "ended"; reason: RoomEnd };
