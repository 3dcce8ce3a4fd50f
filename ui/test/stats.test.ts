import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOfServer } from "../src/media/session.js";
import { look, quality } from "../src/media/stats.js";

const report = (bytes: number, lost: number, trip: number): [string, unknown][] =>
  [
    { id: "T", type: "transport", selectedCandidatePairId: "P" },
    {
      id: "P",
      type: "candidate-pair",
      state: "succeeded",
      localCandidateId: "L",
      remoteCandidateId: "R",
      currentRoundTripTime: trip,
      availableOutgoingBitrate: 800_000,
      packetsReceived: bytes,
    },
    { id: "L", type: "local-candidate", candidateType: "relay", protocol: "udp", relayProtocol: "tls", url: "turns:192.0.2.1" },
    { id: "R", type: "remote-candidate", candidateType: "prflx", protocol: "udp" },
    { id: "I", type: "inbound-rtp", kind: "audio", bytesReceived: bytes, packetsReceived: 100 + bytes / 100, packetsLost: lost },
  ].map((entry) => [entry.id, entry]);

test("the path is named by our own candidate, without an address", () => {
  const seen = look(report(1_000, 0, 0.04), 0, []);
  assert.equal(seen.path, "relay");
  assert.equal(seen.protocol, "tls");
  assert.equal(seen.roundTripMs, 40);
  assert.deepEqual(seen.pairs, [{ local: "relay/tls", remote: "prflx/udp", state: "nominated", count: 1 }]);
  assert.ok(!JSON.stringify([seen.pairs, seen.local, seen.remote, seen.streams]).includes("192.0.2"));
});

test("a path through the other side's relay is relayed too", () => {
  const swapped = report(1_000, 0, 0.04).map(([id, entry]) => [
    id,
    { ...(entry as object), ...(id === "L" ? { candidateType: "host" } : id === "R" ? { candidateType: "relay" } : {}) },
  ]) as [string, unknown][];
  assert.equal(look(swapped, 0, []).path, "relay");
});

test("rates and grades come from two looks", () => {
  const before = look(report(0, 0, 0.04), 0, []);
  const good = quality(before, look(report(25_000, 0, 0.04), 2_000, []), false);
  assert.equal(good.receiveKbps, 100);
  assert.equal(good.grade, "good");
  assert.equal(quality(before, look(report(25_000, 50, 0.04), 2_000, []), false).grade, "poor");
  assert.equal(quality(before, look(report(25_000, 0, 0.3), 2_000, []), false).grade, "fair");
  assert.equal(quality(before, look(report(25_000, 0, 0.04), 2_000, []), true).grade, "lost");
  assert.equal(quality(null, before, false).grade, "unknown");
});

test("servers are named by what they are", () => {
  assert.equal(kindOfServer("stun:192.0.2.1"), "stun");
  assert.equal(kindOfServer("turn:192.0.2.1?transport=tcp"), "turn/tcp");
  assert.equal(kindOfServer("turns:192.0.2.1"), "turn/tls");
});
