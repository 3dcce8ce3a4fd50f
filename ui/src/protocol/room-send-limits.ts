// How much picture to send to whom (onmeet_node/protocol/room/send_limits.py; tests/vectors/room-shapes.json).
import type { PictureSize, ShapeMedia } from "../node/messages.js";

type Shape = Omit<ShapeMedia, "t" | "session">;
/** Most people with picture, bits per second, rows, pictures per second; bits of a shared screen. */
type Row = readonly [number, number, number, number, number];

const LARGE: readonly Row[] = [
  [2, 2_500_000, 720, 30, 4_000_000],
  [3, 1_200_000, 720, 30, 2_500_000],
  [4, 600_000, 480, 30, 1_500_000],
  [6, 350_000, 360, 24, 1_000_000],
  [8, 350_000, 360, 24, 600_000],
];
const SMALL: readonly Row[] = [
  [2, 600_000, 360, 30, 600_000],
  [3, 400_000, 360, 24, 400_000],
  [4, 250_000, 270, 20, 300_000],
  [6, 150_000, 180, 15, 200_000],
  [8, 100_000, 180, 15, 150_000],
];
const NOTHING: Row = [0, 0, 0, 0, 0];

/** For somebody who shows us at this size, among so many people with picture. */
export function shape(people: number, size: PictureSize): Shape {
  const rows = size === "large" ? LARGE : SMALL;
  const row = size === "none" ? NOTHING : (rows.find(([most]) => people <= most) ?? rows.at(-1)!);
  return { bitrate: row[1], height: row[2], frame_rate: row[3], share_bitrate: row[4] };
}
