// How a picture is encoded: what the node allows of it, within what the path carries.
import type { SendLimits } from "../protocol/room-send-limits.js";

/** What video begins with, and may reach as the path allows: bits per second. */
export const FIRST_BITRATE = 300_000;
export const MOST_BITRATE = 2_500_000;
export const LEAST_BITRATE = 100_000;
export const SHARE_BITRATE = 4_000_000;
/** A screen is read, not watched: its pictures are large and change seldom. */
const SHARE_FRAME_RATE = 15;

export interface Encoding {
  readonly active: boolean;
  readonly maxBitrate: number;
  readonly scaleResolutionDownBy: number;
  /** Null: as many as the camera gives. */
  readonly maxFramerate: number | null;
}

/** `path`: bits per second that it carries. `height`: rows of what is captured, if known. */
export function encodingOf(path: number, share: boolean, limits: SendLimits | null, height: number | null): Encoding {
  const allowed = limits === null ? path : share ? limits.share_bitrate : limits.bitrate;
  const maxBitrate = Math.min(path, allowed);
  if (share)
    return {
      active: allowed > 0,
      maxBitrate: Math.max(1, maxBitrate),
      scaleResolutionDownBy: 1,
      maxFramerate: limits === null ? null : SHARE_FRAME_RATE,
    };
  return {
    active: allowed > 0,
    maxBitrate: Math.max(1, maxBitrate),
    scaleResolutionDownBy: scale(path, allowed, limits, height),
    maxFramerate: limits === null || limits.frame_rate === 0 ? null : limits.frame_rate,
  };
}

function scale(path: number, allowed: number, limits: SendLimits | null, height: number | null): number {
  if (limits === null || limits.height === 0 || height === null)
    return path < 250_000 ? 4 : path < 700_000 ? 2 : 1;
  // The node's height goes with its bit rate; a path that carries less has fewer rows.
  const carried = path >= allowed ? Infinity : path < 250_000 ? 180 : path < 700_000 ? 360 : 720;
  return Math.max(1, height / Math.min(limits.height, carried));
}
