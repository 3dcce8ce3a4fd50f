// How much picture to send to whom (onmeet_node/protocol/room/send_limits.py).
import type { PictureSize, ShapeMedia } from "../node/messages.js";
import { LARGE, SMALL, type SendLimitsRow } from "./room-tables.js";

export type SendLimits = Omit<ShapeMedia, "t" | "session">;

const NOTHING: SendLimitsRow = [0, 0, 0, 0, 0];

/** For somebody who shows us at this size, among so many people with picture. */
export function sendLimits(people: number, size: PictureSize): SendLimits {
  const rows = size === "large" ? LARGE : SMALL;
  const row = size === "none" ? NOTHING : (rows.find(([most]) => people <= most) ?? rows.at(-1)!);
  return { bitrate: row[1], height: row[2], frame_rate: row[3], share_bitrate: row[4] };
}
