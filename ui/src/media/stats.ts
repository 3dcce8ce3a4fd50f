// What getStats says, as the node and a person want to hear it (W3C webrtc-stats).
import type { MediaPath, PairSeen, ServerSeen, StreamCounters } from "../node/messages.js";
import { MAX_MILLISECONDS, MAX_PAIRS_SEEN, MAX_PAIR_COUNT, MAX_TYPES_SEEN } from "../node/limits.js";

export interface Quality {
  readonly grade: "good" | "fair" | "poor" | "lost" | "unknown";
  readonly roundTripMs: number | null;
  readonly lossPercent: number | null;
  readonly sendKbps: number | null;
  readonly receiveKbps: number | null;
  readonly videoIn: { width: number; height: number; fps: number } | null;
  readonly videoOut: { width: number; height: number; fps: number } | null;
  readonly path: MediaPath | null;
  readonly protocol: string | null;
  readonly codec: { audio: string | null; video: string | null };
}

export const UNKNOWN: Quality = {
  grade: "unknown",
  roundTripMs: null,
  lossPercent: null,
  sendKbps: null,
  receiveKbps: null,
  videoIn: null,
  videoOut: null,
  path: null,
  protocol: null,
  codec: { audio: null, video: null },
};

type Entry = Record<string, unknown> & { id: string; type: string };

/** One look at a peer connection, with what rates need of it. */
export interface Look {
  readonly at: number;
  readonly streams: StreamCounters[];
  readonly local: string[];
  readonly remote: string[];
  readonly pairs: PairSeen[];
  readonly servers: ServerSeen[];
  readonly path: MediaPath | null;
  /** URL of the TURN server of our own relayed candidate. */
  readonly server: string | null;
  readonly protocol: string | null;
  readonly roundTripMs: number | null;
  readonly availableBps: number | null;
  readonly packetsIn: number;
  readonly audioSamples: number;
  /** Of what came, 0 … 1. */
  readonly audioLevel: number;
  readonly videoIn: Quality["videoIn"];
  readonly videoOut: Quality["videoOut"];
  readonly codec: Quality["codec"];
}

const whole = (value: unknown) =>
  typeof value === "number" && value > 0 ? Math.min(Math.round(value), Number.MAX_SAFE_INTEGER) : 0;
const text = (value: unknown) => (typeof value === "string" ? value : null);

/** A path is relayed if either end's candidate is: the packets pass a server all the same. */
function pathOf(...types: (string | null)[]): MediaPath {
  if (types.includes("relay")) return "relay";
  return types.some((type) => type === "srflx" || type === "prflx") ? "srflx" : "host";
}

/** Reads a stats report. `servers`: what icecandidateerror said. */
export function look(report: Iterable<[string, unknown]>, at: number, servers: ServerSeen[]): Look {
  const entries = new Map<string, Entry>();
  for (const [id, entry] of report) entries.set(id, entry as Entry);
  const all = [...entries.values()];
  const kindOf = (candidate: Entry | undefined) =>
    candidate
      ? `${text(candidate["candidateType"]) ?? "host"}/${text(candidate["relayProtocol"]) ?? text(candidate["protocol"]) ?? "udp"}`
      : "host/udp";
  const types = (type: string) => [...new Set(all.filter((e) => e.type === type).map(kindOf))].slice(0, MAX_TYPES_SEEN);
  const transport = all.find((e) => e.type === "transport");
  const chosen = entries.get(text(transport?.["selectedCandidatePairId"]) ?? "");
  const mine = entries.get(text(chosen?.["localCandidateId"]) ?? "");
  const theirs = entries.get(text(chosen?.["remoteCandidateId"]) ?? "");
  const counted = new Map<string, PairSeen>();
  for (const pair of all.filter((e) => e.type === "candidate-pair")) {
    const seen: PairSeen = {
      local: kindOf(entries.get(text(pair["localCandidateId"]) ?? "")),
      remote: kindOf(entries.get(text(pair["remoteCandidateId"]) ?? "")),
      state: pair === chosen ? "nominated" : (text(pair["state"]) ?? "waiting"),
      count: 1,
    };
    const key = `${seen.local} ${seen.remote} ${seen.state}`;
    const known = counted.get(key);
    if (known) known.count = Math.min(MAX_PAIR_COUNT, (known.count ?? 1) + 1);
    else counted.set(key, seen);
  }
  const rtp = (type: string, kind: string) => all.find((e) => e.type === type && e["kind"] === kind);
  const size = (e: Entry | undefined) =>
    e && whole(e["frameWidth"]) > 0
      ? { width: whole(e["frameWidth"]), height: whole(e["frameHeight"]), fps: whole(e["framesPerSecond"]) }
      : null;
  const codecOf = (kind: string) => {
    const codec = entries.get(text(rtp("inbound-rtp", kind)?.["codecId"]) ?? "");
    return text(codec?.["mimeType"])?.split("/")[1] ?? null;
  };
  const trip = chosen?.["currentRoundTripTime"];
  const streams: StreamCounters[] = (["audio", "video"] as const)
    .filter((kind) => rtp("inbound-rtp", kind) || rtp("outbound-rtp", kind))
    .map((kind) => {
      const into = rtp("inbound-rtp", kind);
      const out = rtp("outbound-rtp", kind);
      return {
        kind,
        frames_sent: whole(kind === "video" ? out?.["framesSent"] : out?.["packetsSent"]),
        frames_decoded: whole(
          kind === "video" ? into?.["framesDecoded"] : (Number(into?.["totalSamplesReceived"]) || 0) / 960,
        ),
        frames_concealed: whole((Number(into?.["concealedSamples"]) || 0) / 960),
        packets_sent: whole(out?.["packetsSent"]),
        packets_received: whole(into?.["packetsReceived"]),
        packets_lost: whole(into?.["packetsLost"]),
        bytes_sent: whole(out?.["bytesSent"]),
        bytes_received: whole(into?.["bytesReceived"]),
        jitter_ms: Math.min(MAX_MILLISECONDS, whole(Number(into?.["jitter"] ?? 0) * 1_000)),
        round_trip_ms: typeof trip === "number" ? Math.min(MAX_MILLISECONDS, whole(trip * 1_000)) : null,
      };
    });
  return {
    at,
    streams,
    local: types("local-candidate"),
    remote: types("remote-candidate"),
    pairs: [...counted.values()].slice(0, MAX_PAIRS_SEEN),
    servers,
    path: mine ? pathOf(text(mine["candidateType"]), text(theirs?.["candidateType"])) : null,
    server: mine?.["candidateType"] === "relay" ? text(mine["url"]) : null,
    protocol: mine ? (text(mine["relayProtocol"]) ?? text(mine["protocol"])) : null,
    roundTripMs: typeof trip === "number" ? Math.round(trip * 1_000) : null,
    availableBps: whole(chosen?.["availableOutgoingBitrate"]) || null,
    packetsIn: whole(chosen?.["packetsReceived"]) || whole(chosen?.["bytesReceived"]),
    audioSamples: whole(rtp("inbound-rtp", "audio")?.["totalSamplesReceived"]),
    audioLevel: Number(rtp("inbound-rtp", "audio")?.["audioLevel"]) || 0,
    videoIn: size(rtp("inbound-rtp", "video")),
    videoOut: size(rtp("outbound-rtp", "video")),
    codec: { audio: codecOf("audio"), video: codecOf("video") },
  };
}

/** How good the line was between two looks. Thresholds: ITU-T G.114 for delay, RFC 8868 for loss. */
export function quality(before: Look | null, now: Look, lost: boolean): Quality {
  const sum = (one: Look, field: "bytes_sent" | "bytes_received" | "packets_lost" | "packets_received") =>
    one.streams.reduce((total, stream) => total + (stream[field] ?? 0), 0);
  const seconds = before ? (now.at - before.at) / 1_000 : 0;
  const gained = (field: Parameters<typeof sum>[1]) =>
    before && seconds > 0 ? Math.max(0, sum(now, field) - sum(before, field)) : null;
  const kbps = (bytes: number | null) => (bytes === null ? null : Math.round((bytes * 8) / seconds / 1_000));
  const missing = gained("packets_lost");
  const came = gained("packets_received");
  const loss =
    missing === null || came === null || missing + came === 0
      ? null
      : Math.round((missing / (missing + came)) * 1_000) / 10;
  const trip = now.roundTripMs;
  let grade: Quality["grade"] = "good";
  if (lost) grade = "lost";
  else if (before === null) grade = "unknown";
  else if ((loss ?? 0) > 8 || (trip ?? 0) > 500) grade = "poor";
  else if ((loss ?? 0) > 2 || (trip ?? 0) > 250) grade = "fair";
  return {
    grade,
    roundTripMs: trip,
    lossPercent: loss,
    sendKbps: kbps(gained("bytes_sent")),
    receiveKbps: kbps(gained("bytes_received")),
    videoIn: now.videoIn,
    videoOut: now.videoOut,
    path: now.path,
    protocol: now.protocol,
    codec: now.codec,
  };
}
