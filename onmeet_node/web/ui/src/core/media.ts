// The page as a media endpoint: obeys the node, opens the devices, and shows each call's media.
import type { Client } from "./client.js";
import { classify, type Devices, type Trouble } from "./devices.js";
import type { FromNode, FromPage, Kind } from "./messages.js";
import { Session, type SessionOwner } from "./session.js";
import { quality, UNKNOWN, type Look, type Quality } from "./stats.js";

const LOOK_EVERY = 2_000;
const MAX_CHAT_LINES = 1_000;
/** How long a call outlives a node that does not answer: as long as the node keeps it (DESIGN 4.4). */
const KEPT_WITHOUT_NODE = 45_000;

/** Several tracks of sound in one. */
export interface Mix {
  readonly track: MediaStreamTrack;
  close(): void;
}

export interface ChatLine {
  readonly mine: boolean;
  readonly text: string;
  /** Unix milliseconds. */
  readonly at: number;
}

/** What a screen shows of a call's media. A new object at every change. */
export interface CallMediaView {
  readonly call: string;
  readonly remote: MediaStream;
  readonly local: MediaStream | null;
  readonly muted: boolean;
  readonly cameraOff: boolean;
  readonly sharing: boolean;
  readonly shareStream: MediaStream | null;
  readonly connected: boolean;
  /** Whether the other side can take a picture of us in this call. */
  readonly takesPicture: boolean;
  readonly chat: readonly ChatLine[];
  readonly quality: Quality;
  readonly trouble: Readonly<Record<"camera" | "microphone" | "share", Trouble | null>>;
}

const NAME = { audio: "microphone", video: "camera" } as const;

class CallMedia {
  sessions: Session[] = [];
  tracks = new Map<Kind, MediaStreamTrack>();
  share: MediaStream | null = null;
  local: MediaStream | null = null;
  /** Devices are opened from here on: the call is accepted. */
  attached = false;
  /** Null: not decided yet, as the person wanted calls to begin. */
  muted: boolean | null = null;
  cameraOff: boolean | null = null;
  /** Nothing is opened for it any more. */
  over = false;
  /** The node has said that this page carries the call. */
  here = false;
  picking = false;
  mix: Mix | null = null;
  /** Work on one device is done in the order it was asked for. */
  order = new Map<Kind, Promise<void>>();
  chat: ChatLine[] = [];
  quality: Quality = UNKNOWN;
  shareTrouble: Trouble | null = null;
  last: Look | null = null;
  timer: ReturnType<typeof setInterval> | null = null;

  constructor(
    readonly id: string,
    public kinds: readonly Kind[],
  ) {}

  /** The session that plays: the newest connected one, or the newest. */
  get playing(): Session | undefined {
    return this.sessions.findLast((one) => one.connected && !one.lost) ?? this.sessions.at(-1);
  }
}

export class Media implements SessionOwner {
  #calls = new Map<string, CallMedia>();
  #sessions = new Map<number, Session>();
  #listeners = new Set<(call: string) => void>();
  #views = new Map<string, CallMediaView>();
  /** Work on one session is done in the order it was asked for. */
  #order = new Map<number, Promise<void>>();
  #alone: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly client: Client,
    private readonly devices: Devices,
    private readonly browser: {
      peer(configuration: RTCConfiguration): RTCPeerConnection;
      media: MediaDevices | undefined;
      mix(tracks: readonly MediaStreamTrack[]): Mix;
    },
  ) {
    client.hear((message) => this.#take(message));
    client.subscribe((state) => {
      if (state.link !== "open") {
        // A node that is gone knows these sessions no more; the call comes back in new ones.
        for (const id of [...this.#sessions.keys()]) this.#close(id);
        this.#alone ??= setTimeout(() => this.#endAll(), KEPT_WITHOUT_NODE);
        return;
      }
      if (this.#alone !== null) clearTimeout(this.#alone);
      this.#alone = null;
      const { previewFor } = devices;
      if (previewFor !== null && !state.calls.some((one) => one.call === previewFor)) devices.closePreview();
      for (const one of [...this.#calls.values()]) {
        const shown = state.calls.find((other) => other.call === one.id);
        one.here ||= shown?.page != null && shown.page === state.welcome?.page;
        // Over, or moved to another page: the devices of this one are closed.
        const elsewhere = one.here && shown?.page != null && shown.page !== state.welcome?.page;
        if (shown === undefined || elsewhere) this.#end(one.id);
      }
    });
    devices.subscribe(() => {
      for (const call of this.#calls.keys()) this.#show(call);
    });
  }

  subscribe(listener: (call: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What to show of this call; null while this page has none of its media. */
  view(call: string): CallMediaView | null {
    return this.#views.get(call) ?? null;
  }

  async setMuted(call: string, muted: boolean): Promise<void> {
    const one = this.#calls.get(call);
    if (one === undefined) return;
    one.muted = muted;
    const track = one.tracks.get("audio");
    if (track !== undefined) track.enabled = !muted; // at once, whatever is being opened
    await this.#settle(one, "audio");
  }

  /** A camera that is off is closed: its light goes out. */
  async setCameraOff(call: string, off: boolean): Promise<void> {
    const one = this.#calls.get(call);
    if (one === undefined) return;
    one.cameraOff = off;
    if (off) this.#stopTrack(one, "video");
    await this.#settle(one, "video");
  }

  /** Shares a screen, with its sound where the browser can. Never rejects: see `trouble.share`. */
  async startShare(call: string): Promise<void> {
    const one = this.#calls.get(call);
    if (one === undefined || one.share !== null || one.picking) return;
    const media = this.browser.media;
    if (media?.getDisplayMedia === undefined) {
      one.shareTrouble = "unsupported";
      this.#show(call);
      return;
    }
    one.picking = true;
    try {
      const share = await media.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true });
      if (one.over) {
        for (const track of share.getTracks()) track.stop(); // the call ended while the person chose
        return;
      }
      one.share = share;
      one.shareTrouble = null;
    } catch (error) {
      one.shareTrouble = classify(error);
      this.#show(call);
      return;
    } finally {
      one.picking = false;
    }
    one.share.getVideoTracks()[0]?.addEventListener("ended", () => void this.stopShare(call));
    await this.#shareChanged(one);
  }

  async stopShare(call: string): Promise<void> {
    const one = this.#calls.get(call);
    if (one?.share == null) return;
    for (const track of one.share.getTracks()) track.stop();
    one.share = null;
    await this.#shareChanged(one);
  }

  /** Another camera or microphone in mid-call, without a pause of the other. */
  async changeDevice(call: string, kind: "camera" | "microphone", id: string): Promise<void> {
    await this.devices.choose(kind, id);
    const one = this.#calls.get(call);
    const media: Kind = kind === "camera" ? "video" : "audio";
    if (one?.tracks.has(media) !== true) return;
    this.#stopTrack(one, media);
    await this.#settle(one, media);
  }

  /** Writes a line; false if the other side cannot get it now. */
  sendChat(call: string, text: string): boolean {
    const one = this.#calls.get(call);
    if (one === undefined || text === "" || one.playing?.say(text) !== true) return false;
    this.#line(one, { mine: true, text, at: Date.now() });
    return true;
  }

  /** The first picture is on the screen (requestVideoFrameCallback). */
  firstPicture(call: string): void {
    this.#calls.get(call)?.playing?.firstPicture();
  }

  // ── SessionOwner ──────────────────────────────────────────────────────────────────────────────
  tell(message: FromPage): void {
    this.client.tell(message);
  }

  changed(session: Session): void {
    this.#show(session.open.call);
  }

  chat(session: Session, text: string): void {
    const one = this.#calls.get(session.open.call);
    if (one !== undefined) this.#line(one, { mine: false, text, at: Date.now() });
  }

  // ── what the node asks ────────────────────────────────────────────────────────────────────────
  #take(message: FromNode): void {
    switch (message.t) {
      case "open-media": {
        const one = this.#calls.get(message.call) ?? new CallMedia(message.call, message.kinds);
        one.kinds = message.kinds;
        this.#calls.set(message.call, one);
        const session = new Session(message, this, (configuration) => this.browser.peer(configuration));
        one.sessions.push(session);
        this.#sessions.set(message.session, session);
        one.timer ??= setInterval(() => void this.#look(one), LOOK_EVERY);
        this.#show(message.call);
        break;
      }
      case "make-offer":
        this.#do(message.session, (session) => session.makeOffer());
        break;
      case "take-offer":
        this.#do(message.session, (session) => session.takeOffer(message.sdp));
        break;
      case "take-answer":
        this.#do(message.session, (session) => session.takeAnswer(message.sdp));
        break;
      case "take-candidates":
        this.#do(message.session, (session) => session.takeCandidates(message.candidates));
        break;
      case "attach-media":
        this.#do(message.session, (session) => this.#attach(session, message.kinds), false);
        break;
      case "mute-media": {
        const call = this.#sessions.get(message.session)?.open.call;
        if (call === undefined) break;
        if (message.kind === "audio") void this.setMuted(call, message.muted);
        else void this.setCameraOff(call, message.muted);
        break;
      }
      case "suspect-media":
        void this.#sessions.get(message.session)?.suspect();
        break;
      case "close-media":
        this.#close(message.session);
        break;
    }
  }

  /** `fatal`: the session cannot go on when this fails. */
  #do(id: number, work: (session: Session) => Promise<void>, fatal = true): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    const before = this.#order.get(id) ?? Promise.resolve();
    const next = before
      .then(() => (this.#sessions.has(id) ? work(session) : undefined))
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        if (fatal) this.tell({ t: "media-failed", session: id, why: why.slice(0, 500) });
      });
    this.#order.set(id, next);
  }

  async #attach(session: Session, kinds: readonly Kind[]): Promise<void> {
    const one = this.#calls.get(session.open.call);
    if (one === undefined) return;
    session.attached = true;
    if (!one.attached) {
      one.attached = true;
      const { wanted } = this.devices.state;
      one.muted ??= !wanted.microphone || !kinds.includes("audio");
      one.cameraOff ??= !wanted.camera || !kinds.includes("video");
      await Promise.all([this.#settle(one, "audio"), this.#settle(one, "video")]);
      this.devices.closePreview();
    }
    await this.#sendAudio(one);
    await this.#sendVideo(one);
  }

  /** Opens or closes the device as the person wants it now, and sends what there is. */
  #settle(one: CallMedia, kind: Kind): Promise<void> {
    const next = (one.order.get(kind) ?? Promise.resolve()).then(() => this.#settleNow(one, kind));
    one.order.set(kind, next);
    return next;
  }

  async #settleNow(one: CallMedia, kind: Kind): Promise<void> {
    const off = () => (kind === "audio" ? one.muted : one.cameraOff) === true;
    if (one.over) return;
    if (!one.attached) {
      this.#show(one.id); // remembered; nothing is opened before the call is accepted
      return;
    }
    if (!one.tracks.has(kind) && !off()) {
      const name = NAME[kind];
      const track = this.devices.takeFromPreview(name) ?? (await this.devices.open(name));
      // NOTE: opening may take as long as a person takes to answer the browser's question. What
      // they wished for meanwhile counts, not what they wished for when it was asked.
      if (track === null) this.#switchedOff(one, kind);
      else if (one.over || (kind === "video" && off())) track.stop();
      else this.#opened(one, kind, track);
    }
    if (one.over) return;
    const microphone = one.tracks.get("audio");
    if (microphone !== undefined) microphone.enabled = one.muted !== true;
    await (kind === "audio" ? this.#sendAudio(one) : this.#sendVideo(one));
    this.#tellMedia(one);
  }

  #opened(one: CallMedia, kind: Kind, track: MediaStreamTrack): void {
    track.addEventListener("ended", () => {
      if (one.tracks.get(kind) !== track) return;
      one.tracks.delete(kind);
      this.#localChanged(one);
      this.devices.unplugged(NAME[kind]);
      this.#switchedOff(one, kind);
      void this.#settle(one, kind);
    });
    one.tracks.set(kind, track);
    this.#localChanged(one);
  }

  #switchedOff(one: CallMedia, kind: Kind): void {
    if (kind === "audio") one.muted = true;
    else one.cameraOff = true;
  }

  #stopTrack(one: CallMedia, kind: Kind): void {
    one.tracks.get(kind)?.stop();
    one.tracks.delete(kind);
    this.#localChanged(one);
  }

  #localChanged(one: CallMedia): void {
    one.local = one.tracks.size > 0 ? new MediaStream([...one.tracks.values()]) : null;
  }

  async #shareChanged(one: CallMedia): Promise<void> {
    await this.#sendVideo(one);
    await this.#sendAudio(one);
    this.#tellMedia(one);
  }

  /** The microphone, and the shared screen's sound with it. */
  async #sendAudio(one: CallMedia): Promise<void> {
    one.mix?.close();
    const microphone = one.tracks.get("audio");
    const shared = one.share?.getAudioTracks()[0];
    const both = [microphone, shared].filter((track) => track !== undefined);
    one.mix = shared === undefined ? null : this.browser.mix(both);
    for (const session of one.sessions)
      if (session.attached)
        await session.send("audio", one.mix?.track ?? one.tracks.get("audio") ?? null);
    this.#show(one.id);
  }

  async #sendVideo(one: CallMedia): Promise<void> {
    // What is to be sent is looked up for each session anew: it may change between two of them.
    for (const session of one.sessions) {
      const shared = one.share?.getVideoTracks()[0];
      const track = shared ?? one.tracks.get("video") ?? null;
      if (session.attached) await session.send("video", track, shared !== undefined);
    }
    this.#show(one.id);
  }

  #tellMedia(one: CallMedia): void {
    this.tell({
      t: "tell-media",
      call: one.id,
      muted: one.muted === true,
      camera_off: one.cameraOff === true,
      sharing: one.share !== null,
    });
    this.#show(one.id);
  }

  async #look(one: CallMedia): Promise<void> {
    const session = one.playing;
    if (session === undefined || session.pc.connectionState === "new") return;
    const now = await session.look();
    one.quality = quality(one.last, now, session.lost);
    one.last = now;
    this.#show(one.id);
  }

  #line(one: CallMedia, line: ChatLine): void {
    one.chat = [...one.chat, line].slice(-MAX_CHAT_LINES);
    this.#show(one.id);
  }

  #close(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#order.delete(id);
    session.close();
    const one = this.#calls.get(session.open.call);
    if (one === undefined) return;
    one.sessions = one.sessions.filter((other) => other !== session);
    one.last = null;
    this.#show(one.id);
  }

  #end(call: string): void {
    const one = this.#calls.get(call);
    if (one === undefined) return;
    for (const session of [...one.sessions]) this.#close(session.id);
    one.over = true;
    if (one.timer !== null) clearInterval(one.timer);
    one.mix?.close();
    for (const track of one.tracks.values()) track.stop();
    for (const track of one.share?.getTracks() ?? []) track.stop();
    this.#calls.delete(call);
    this.#views.delete(call);
    for (const listener of this.#listeners) listener(call);
  }

  #endAll(): void {
    for (const call of [...this.#calls.keys()]) this.#end(call);
    this.devices.closePreview();
  }

  #show(call: string): void {
    const one = this.#calls.get(call);
    if (one === undefined) return;
    const playing = one.playing;
    const { trouble, wanted } = this.devices.state;
    this.#views.set(call, {
      call,
      remote: playing?.remote ?? new MediaStream(),
      local: one.local,
      muted: one.muted ?? !wanted.microphone,
      cameraOff: one.cameraOff ?? !wanted.camera,
      sharing: one.share !== null,
      shareStream: one.share,
      connected: playing?.connected === true && !playing.lost,
      takesPicture: playing?.takesPicture !== false,
      chat: one.chat,
      quality: one.quality,
      trouble: { camera: trouble.camera, microphone: trouble.microphone, share: one.shareTrouble },
    });
    for (const listener of this.#listeners) listener(call);
  }
}
