import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { AppState, Client } from "../src/core/client.js";
import { Devices } from "../src/core/devices.js";
import { Media } from "../src/core/media.js";
import type { CallShown, FromNode, FromPage, Kind } from "../src/core/messages.js";

const ME = 1;
const CALL = "ab".repeat(16);

class FakeTrack extends EventTarget {
  enabled = true;
  readyState: "live" | "ended" = "live";
  contentHint = "";
  constructor(readonly kind: Kind) {
    super();
  }
  stop(): void {
    this.readyState = "ended";
  }
}

class FakeStream {
  constructor(private tracks: FakeTrack[] = []) {}
  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks.filter((one) => one.kind === "audio");
  getVideoTracks = () => this.tracks.filter((one) => one.kind === "video");
  addTrack = (track: FakeTrack) => void this.tracks.push(track);
  removeTrack = (track: FakeTrack) => void (this.tracks = this.tracks.filter((one) => one !== track));
}
Object.assign(globalThis, { MediaStream: FakeStream });

class FakePeer {
  connectionState = "new";
  localDescription: unknown = null;
  sent = new Map<Kind, FakeTrack | null>();
  createDataChannel = () => ({ readyState: "connecting" });
  addTransceiver = (kind: Kind) => ({
    currentDirection: null,
    sender: {
      track: null,
      replaceTrack: async (track: FakeTrack | null) => void this.sent.set(kind, track),
      getParameters: () => ({ encodings: [] }),
    },
  });
  createOffer = async () => ({ type: "offer", sdp: "v=0" });
  setLocalDescription = async (description: unknown) => void (this.localDescription = description);
  close = () => undefined;
}

/** A page in a call, whose devices open when the test says so. */
class Page {
  opened: FakeTrack[] = [];
  asked: { kind: Kind; answer: (allow?: boolean) => FakeTrack }[] = [];
  picker: ((stream: FakeStream) => void)[] = [];
  told: FromPage[] = [];
  mixed: FakeTrack[][] = [];
  peers: FakePeer[] = [];
  hear: (message: FromNode) => void = () => undefined;
  change: (state: AppState) => void = () => undefined;
  devices = new Devices(
    {
      addEventListener: () => undefined,
      enumerateDevices: async () => [],
      getUserMedia: (wish: { video?: unknown }) =>
        new Promise<FakeStream>((done, refuse) => {
          const kind: Kind = wish.video === undefined ? "audio" : "video";
          this.asked.push({
            kind,
            answer: (allow = true) => {
              const track = new FakeTrack(kind);
              if (allow) this.opened.push(track);
              if (allow) done(new FakeStream([track]));
              else refuse(Object.assign(new Error("no"), { name: "NotAllowedError" }));
              return track;
            },
          });
        }),
    } as unknown as MediaDevices,
    { getItem: () => null, setItem: () => undefined },
  );
  media = new Media(
    {
      hear: (take: (message: FromNode) => void) => (this.hear = take),
      subscribe: (take: (state: AppState) => void) => (this.change = take),
      tell: (message: FromPage) => this.told.push(message),
    } as unknown as Client,
    this.devices,
    {
      peer: () => {
        const peer = new FakePeer();
        this.peers.push(peer);
        return peer as unknown as RTCPeerConnection;
      },
      media: {
        getDisplayMedia: () => new Promise((done) => this.picker.push(done as never)),
      } as unknown as MediaDevices,
      mix: (tracks) => {
        this.mixed.push(tracks as unknown as FakeTrack[]);
        return { track: new FakeTrack("audio") as never, close: () => undefined };
      },
    },
  );

  shown(page: number | null = ME, link = "open"): void {
    const calls = page === null ? [] : [{ call: CALL, page } as CallShown];
    this.change({ link, calls, welcome: { page: ME } } as unknown as AppState);
  }
  async begin(kinds: Kind[] = ["audio", "video"]): Promise<void> {
    this.hear({ t: "open-media", session: 1, call: CALL, kinds, servers: [], relay_only: false });
    this.shown();
    this.hear({ t: "make-offer", session: 1 });
    await settled();
  }
  async accept(kinds: Kind[] = ["audio", "video"]): Promise<void> {
    this.hear({ t: "attach-media", session: 1, kinds });
    await settled();
  }
  async allow(): Promise<void> {
    await settled();
    while (this.asked.length > 0) {
      this.asked.shift()!.answer();
      await settled();
    }
  }
  get live(): string[] {
    return this.opened.filter((one) => one.readyState === "live").map((one) => one.kind).sort();
  }
  sends(kind: Kind): FakeTrack | null | undefined {
    return this.peers[0]!.sent.get(kind);
  }
}

const settled = () => new Promise<void>((done) => setImmediate(done));
let page: Page;
beforeEach(() => {
  page = new Page();
});
afterEach(() => page.shown(null));

test("nothing is opened before the call is accepted, and all of it closed with the call", async () => {
  await page.begin();
  assert.equal(page.asked.length, 0);
  await page.accept();
  await page.allow();
  assert.deepEqual(page.live, ["audio", "video"]);
  page.shown(null);
  assert.deepEqual(page.live, []);
});

test("muting while the browser still asks for the microphone leaves it muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  const muting = page.media.setMuted(CALL, true);
  const microphone = page.asked.shift()!.answer();
  await muting;
  assert.equal(microphone.enabled, false);
  assert.equal(page.media.view(CALL)!.muted, true);
});

test("letting go of push-to-talk before the microphone is open says nothing", async () => {
  await page.begin(["audio"]);
  await page.media.setMuted(CALL, true);
  await page.accept(["audio"]);
  assert.equal(page.asked.length, 0);
  const pressed = page.media.setMuted(CALL, false);
  await settled();
  const released = page.media.setMuted(CALL, true);
  const microphone = page.asked.shift()!.answer();
  await Promise.all([pressed, released]);
  assert.equal(microphone.enabled, false);
});

test("a camera turned off while it opens is closed again", async () => {
  await page.begin();
  await page.accept();
  const off = page.media.setCameraOff(CALL, true);
  await page.allow();
  await off;
  assert.deepEqual(page.live, ["audio"]);
  assert.equal(page.sends("video"), null);
});

test("pressing the camera's button again and again opens one camera", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  const presses = [false, true, false].map((off) => page.media.setCameraOff(CALL, off));
  await page.allow();
  await Promise.all(presses);
  assert.deepEqual(page.live, ["audio", "video"]);
  assert.equal(page.sends("video"), page.opened.find((one) => one.kind === "video" && one.readyState === "live"));
});

test("another microphone chosen while muted stays muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  await page.media.setMuted(CALL, true);
  const changing = page.media.changeDevice(CALL, "microphone", "other");
  await settled();
  await page.allow();
  await changing;
  for (const track of page.opened.filter((one) => one.readyState === "live"))
    assert.equal(track.enabled, false);
});

test("a screen picked after the call has ended is not captured", async () => {
  await page.begin();
  const sharing = page.media.startShare(CALL);
  page.shown(null);
  const screen = new FakeTrack("video");
  page.picker[0]!(new FakeStream([screen]));
  await sharing;
  assert.equal(screen.readyState, "ended");
});

test("sharing twice asks once", async () => {
  await page.begin();
  void page.media.startShare(CALL);
  void page.media.startShare(CALL);
  assert.equal(page.picker.length, 1);
});

test("a shared screen's sound goes with the voice, and ends with the share", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  await page.allow();
  const sharing = page.media.startShare(CALL);
  const sound = new FakeTrack("audio");
  page.picker[0]!(new FakeStream([new FakeTrack("video"), sound]));
  await sharing;
  const microphone = page.opened[0]!;
  assert.deepEqual(page.mixed.at(-1), [microphone, sound]);
  assert.notEqual(page.sends("audio"), microphone);
  await page.media.stopShare(CALL);
  assert.equal(page.sends("audio"), microphone);
  assert.equal(sound.readyState, "ended");
});

test("a call that moves to another page leaves no device open here", async () => {
  await page.begin();
  await page.accept();
  await page.allow();
  page.shown(ME + 1);
  assert.deepEqual(page.live, []);
  assert.equal(page.media.view(CALL), null);
});

test("a call that comes from another page is not ended by what was shown before", async () => {
  page.shown(ME + 1);
  page.hear({ t: "open-media", session: 1, call: CALL, kinds: ["audio"], servers: [], relay_only: false });
  page.shown(ME + 1);
  assert.notEqual(page.media.view(CALL), null);
});

test("a node that stays away for 45 s leaves no device open", async (context) => {
  await page.begin();
  await page.accept();
  await page.allow();
  context.mock.timers.enable({ apis: ["setTimeout"] });
  page.shown(ME, "waiting");
  context.mock.timers.tick(44_000);
  assert.deepEqual(page.live, ["audio", "video"]);
  context.mock.timers.tick(1_000);
  assert.deepEqual(page.live, []);
});

test("a preview kept for a call that ends before it starts is closed", async () => {
  void page.devices.openPreview();
  await settled();
  await page.allow();
  page.devices.keepPreviewFor(CALL);
  page.shown();
  assert.deepEqual(page.live, ["audio", "video"]);
  page.shown(null);
  assert.deepEqual(page.live, []);
});

test("a preview left while the browser asks closes what it is given, and asks no more", async () => {
  void page.devices.openPreview();
  await settled();
  page.devices.closePreview();
  await page.allow();
  assert.deepEqual(page.live, []);
  assert.equal(page.opened.length, 1);
});

test("a camera switched off in the preview while it opens is closed", async () => {
  void page.devices.openPreview(["camera"]);
  await settled();
  await page.devices.setWanted("camera", false);
  await page.allow();
  assert.deepEqual(page.live, []);
});

test("a refused microphone is named, and the call goes on muted", async () => {
  await page.begin(["audio"]);
  await page.accept(["audio"]);
  page.asked.shift()!.answer(false);
  await settled();
  assert.equal(page.media.view(CALL)!.muted, true);
  assert.equal(page.media.view(CALL)!.trouble.microphone, "denied");
  assert.ok(page.told.some((one) => one.t === "tell-media" && one.muted));
});
