// The browser's question about camera and microphone may stay open for as long as a person likes, and
// devices come, go and fall silent while they are used.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { CALL, type FakeTrack, ME, Page, ROOM, settled } from "./call-page.js";

let page: Page;
beforeEach(() => {
  page = new Page();
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => {
  page.shown(null);
  mock.timers.reset();
});

const view = () => page.media.view(CALL)!;
/** As long as it takes until a question counts as open. */
async function leftOpen(): Promise<void> {
  await settled();
  mock.timers.tick(1_000);
  await settled();
}

test("a question that is left open stands before no offer, no answer and no candidate", async () => {
  await page.begin();
  await page.accept();
  const taken: string[] = [];
  page.peers[0]!.setRemoteDescription = async () => void taken.push("answer");
  page.hear({ t: "take-answer", session: 1, sdp: "v=0" });
  await settled();
  assert.deepEqual(taken, ["answer"]);
  page.hear({ t: "open-media", session: 2, call: CALL, kinds: ["audio"], servers: [], relay_only: false, room: null, carry: false });
  page.hear({ t: "attach-media", session: 2, kinds: ["audio"] });
  page.hear({ t: "make-offer", session: 2 });
  await settled();
  assert.ok(page.told.some((one) => one.t === "described" && one.session === 2));
  assert.equal(page.asked.length, 2, "and nobody is asked twice");
});

test("while the question is open one is muted and dark, and the other side is told so", async () => {
  await page.begin();
  await page.accept();
  assert.deepEqual([view().muted, view().cameraOff], [false, false], "a browser that answers at once asks nobody");
  await leftOpen();
  assert.deepEqual([view().muted, view().cameraOff], [true, true]);
  assert.deepEqual([view().trouble.camera, view().trouble.microphone], ["asking", "asking"]);
  assert.deepEqual(page.toldMedia, { t: "tell-media", call: CALL, muted: true, camera_off: true, sharing: false });
});

test("what is allowed goes out when it is allowed, each by itself", async () => {
  await page.begin();
  await page.accept();
  await leftOpen();
  const [microphone, camera] = page.asked.splice(0);
  const voice = microphone!.answer();
  await settled();
  assert.equal(page.sends("audio"), voice);
  assert.equal(page.toldMedia!.muted, false);
  assert.equal(view().trouble.microphone, null);
  assert.equal(page.toldMedia!.camera_off, true, "the camera is asked for still");
  camera!.answer(false);
  await settled();
  assert.equal(view().trouble.camera, "denied");
  assert.equal(page.sends("video"), null);
});

test("who mutes while the question is open is muted when it is answered", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await leftOpen();
  void page.media.setMuted(CALL, true);
  assert.equal(page.toldMedia!.muted, true);
  assert.equal(page.handed.get(CALL)!.muted, true, "for another page, too");
  const microphone = page.asked.shift()!.answer();
  await settled();
  assert.equal(microphone.enabled, false);
  assert.equal(view().muted, true);
});

test("a camera turned on in a call is off for everybody until the browser is answered", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  void page.media.setCameraOff(CALL, false);
  await leftOpen();
  assert.equal(view().cameraOff, true);
  assert.equal(view().trouble.camera, "asking");
  assert.equal(view().muted, false, "the voice goes on");
  await page.media.setMuted(CALL, true);
  assert.equal(page.toldMedia!.muted, true);
  assert.equal(page.toldMedia!.camera_off, true);
});

test("a room is entered while the question is open, and told the truth", async () => {
  page.inRoom([]);
  await settled();
  await leftOpen();
  const { muted, cameraOff } = page.media.roomView(ROOM)!;
  assert.deepEqual([muted, cameraOff], [true, true]);
});

test("a question that the preview asked is not asked again by the call, and its answer goes out", async () => {
  void page.devices.openPreview(["camera"]);
  await settled();
  page.devices.keepPreviewFor(CALL);
  await page.begin();
  await page.accept();
  assert.deepEqual(page.asked.map((one) => one.kind), ["video", "audio"]);
  const camera = page.asked.shift()!.answer();
  await settled();
  assert.equal(page.sends("video"), camera);
  assert.equal(camera.readyState, "live");
  await page.media.setCameraOff(CALL, true);
  assert.deepEqual(page.live, [], "no copy of it is left open");
});

test("a question left behind in a preview closes what it gives when nobody wants it any more", async () => {
  void page.devices.openPreview(["camera"]);
  await settled();
  page.devices.closePreview();
  page.asked.shift()!.answer();
  await settled();
  assert.deepEqual(page.live, []);
});

// ── devices that come and go ─────────────────────────────────────────────────────────────────────
async function inCall(): Promise<FakeTrack> {
  await page.begin();
  await page.accept();
  await page.allow();
  return page.opened.find((one) => one.kind === "video")!;
}

test("a camera that is unplugged and plugged in again goes on", async () => {
  await page.plug(["videoinput", "desk"], ["audioinput", "mic"]);
  const camera = await inCall();
  page.found = page.found.slice(1);
  camera.becomes("ended");
  await settled();
  assert.equal(view().trouble.camera, "unplugged");
  assert.equal(page.toldMedia!.camera_off, true);
  await page.plug(["audioinput", "mic"]);
  assert.equal(page.asked.length, 0);
  await page.plug(["videoinput", "desk"], ["audioinput", "mic"]);
  await page.allow();
  assert.equal(view().trouble.camera, null);
  assert.deepEqual(page.live, ["audio", "video"]);
  assert.equal(page.toldMedia!.camera_off, false);
});

test("a camera that is listed still when it ends is called unplugged once it is not, and goes on as well", async () => {
  await page.plug(["videoinput", "desk"]);
  const camera = await inCall();
  camera.becomes("ended");
  await settled();
  assert.equal(view().trouble.camera, "stopped");
  await page.plug();
  assert.equal(view().trouble.camera, "unplugged");
  await page.plug(["videoinput", "desk"]);
  await page.allow();
  assert.equal(view().cameraOff, false);
});

test("a camera that comes back stays off for who has turned it off meanwhile", async () => {
  await page.plug(["videoinput", "desk"]);
  const camera = await inCall();
  page.found = [];
  camera.becomes("ended");
  await settled();
  await page.media.setCameraOff(CALL, true);
  await page.plug(["videoinput", "desk"]);
  assert.equal(page.asked.length, 0);
  assert.equal(view().cameraOff, true);
});

test("a camera that is plugged in is shown before the call, and is called missing no more", async () => {
  void page.devices.openPreview(["camera"]);
  await settled();
  page.asked.shift()!.answer(false, "NotFoundError");
  await settled();
  assert.equal(page.devices.state.trouble.camera, "missing");
  await page.plug(["videoinput", "desk"]);
  assert.equal(page.devices.state.trouble.camera, null);
  await page.allow();
  assert.equal(page.devices.preview!.getVideoTracks().length, 1);
});

test("the chosen camera is used again when it is back, and another until then", async () => {
  await page.plug(["videoinput", "built-in"], ["videoinput", "desk"]);
  await page.devices.choose("camera", "desk");
  await page.plug(["videoinput", "built-in"]);
  assert.equal((await inCall()).device, "built-in");
  await page.plug(["videoinput", "built-in"], ["videoinput", "desk"]);
  await page.allow();
  const now = page.opened.filter((one) => one.kind === "video" && one.readyState === "live");
  assert.deepEqual(now.map((one) => one.device), ["desk"]);
});

test("from a chosen camera one can go back to what the system chooses, in the call too", async () => {
  await page.plug(["videoinput", "built-in"], ["videoinput", "desk"]);
  await page.devices.choose("camera", "desk");
  assert.equal((await inCall()).device, "desk");
  void page.media.changeDevice(CALL, "camera", null);
  await page.allow();
  assert.equal(page.opened.at(-1)!.device, "built-in");
  assert.equal(page.devices.state.chosen.camera, null);
});

test("sound goes to the chosen speaker while it is there, and else where the system sends it", async () => {
  await page.plug(["audiooutput", "headphones"], ["audiooutput", "built-in"]);
  assert.equal(page.devices.speaker, "");
  await page.devices.choose("speaker", "headphones");
  assert.equal(page.devices.speaker, "headphones");
  await page.plug(["audiooutput", "built-in"]);
  assert.equal(page.devices.speaker, "");
  await page.plug(["audiooutput", "headphones"], ["audiooutput", "built-in"]);
  assert.equal(page.devices.speaker, "headphones");
});

test("a camera that the system silences is named, and dark for the others until it is back", async () => {
  const camera = await inCall();
  camera.becomes("mute");
  await leftOpen();
  assert.equal(view().trouble.camera, "silenced");
  assert.equal(page.toldMedia!.camera_off, true);
  assert.equal(view().cameraOff, false, "for oneself the switch stays as it is");
  camera.becomes("unmute");
  await settled();
  assert.equal(view().trouble.camera, null);
  assert.equal(page.toldMedia!.camera_off, false);
});

test("a silenced camera that is turned off is spoken of no more", async () => {
  const camera = await inCall();
  camera.becomes("mute");
  await leftOpen();
  await page.media.setCameraOff(CALL, true);
  assert.equal(view().trouble.camera, null);
});

test("a permission that is taken back is not called unplugged, and its return opens nothing by itself", async () => {
  await page.plug(["videoinput", "desk"]);
  const camera = await inCall();
  page.found = [{ kind: "videoinput", deviceId: "", label: "" } as MediaDeviceInfo];
  camera.becomes("ended");
  await settled();
  assert.equal(view().trouble.camera, "withdrawn");
  await page.plug(["videoinput", "desk"]);
  assert.equal(page.asked.length, 0);
  assert.equal(view().cameraOff, true);
});

test("a call that is not this page's any more opens nothing when a device comes back", async () => {
  await page.plug(["videoinput", "desk"]);
  const camera = await inCall();
  page.found = [];
  camera.becomes("ended");
  await settled();
  page.shown(ME + 1);
  await page.plug(["videoinput", "desk"]);
  assert.equal(page.asked.length, 0);
});
