import assert from "node:assert/strict";
import { test } from "node:test";
import { encodingOf } from "../src/media/encoding.js";

const SMALL = { bitrate: 150_000, height: 180, frame_rate: 15, share_bitrate: 200_000 };
const LARGE = { bitrate: 1_200_000, height: 720, frame_rate: 30, share_bitrate: 2_500_000 };

test("without limits the picture follows the path alone", () => {
  for (const [path, scale] of [[100_000, 4], [300_000, 2], [2_000_000, 1]] as const)
    assert.deepEqual(encodingOf(path, false, null, 720), {
      active: true,
      maxBitrate: path,
      scaleResolutionDownBy: scale,
      maxFramerate: null,
    });
});

test("a picture has at most the rows it is shown with, whatever the camera gives", () => {
  for (const height of [180, 480, 720, 1080]) {
    const { scaleResolutionDownBy } = encodingOf(5_000_000, false, SMALL, height);
    assert.ok(height / scaleResolutionDownBy <= 180);
    assert.ok(scaleResolutionDownBy >= 1);
  }
});

test("a path that carries less than allowed gets fewer rows", () => {
  const { maxBitrate, scaleResolutionDownBy } = encodingOf(300_000, false, LARGE, 720);
  assert.equal(maxBitrate, 300_000);
  assert.equal(scaleResolutionDownBy, 2);
});

test("a shared screen keeps its rows and has a bit rate of its own", () => {
  assert.deepEqual(encodingOf(5_000_000, true, SMALL, 1_440), {
    active: true,
    maxBitrate: 200_000,
    scaleResolutionDownBy: 1,
    maxFramerate: 15,
  });
});

test("nothing goes out where nothing may", () => {
  const nothing = { bitrate: 0, height: 0, frame_rate: 0, share_bitrate: 0 };
  for (const share of [true, false]) {
    const encoding = encodingOf(5_000_000, share, nothing, 720);
    assert.equal(encoding.active, false);
    assert.ok(encoding.maxBitrate > 0); // zero is refused by browsers
  }
});

test("a track whose rows are not known is still cut by the path", () => {
  assert.equal(encodingOf(300_000, false, LARGE, null).scaleResolutionDownBy, 2);
});
