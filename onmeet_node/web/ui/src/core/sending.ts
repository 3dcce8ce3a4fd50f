// What this page sends: camera, microphone and screen, to one call or to all calls of a room.
import { classify, type Devices, type Trouble } from "./devices.js";
import type { Kept, Kind } from "./messages.js";
import type { Session } from "./session.js";

/** Several tracks of sound in one. */
export interface Mix {
  readonly track: MediaStreamTrack;
  close(): void;
}

export interface SendingBrowser {
  readonly media: MediaDevices | undefined;
  mix(tracks: readonly MediaStreamTrack[]): Mix;
}

/** A call that it goes to. */
export interface Receiver {
  readonly id: string;
  readonly sessions: readonly Session[];
}

/** What a screen shows of oneself. A new object at every change. */
export interface SendingView {
  readonly local: MediaStream | null;
  readonly muted: boolean;
  readonly cameraOff: boolean;
  readonly sharing: boolean;
  readonly shareStream: MediaStream | null;
  readonly trouble: Readonly<Record<"camera" | "microphone" | "share", Trouble | null>>;
}

const NAME = { audio: "microphone", video: "camera" } as const;

export class Sending {
  readonly to = new Set<Receiver>();
  /** Nothing is opened for it any more. */
  over = false;
  /** The node has said that this page carries it. */
  here = false;
  /** Devices are opened from here on: the call is accepted, the room entered. */
  #begun = false;
  #tracks = new Map<Kind, MediaStreamTrack>();
  #share: MediaStream | null = null;
  #local: MediaStream | null = null;
  /** Null: not decided yet, as the person wanted calls to begin. */
  #muted: boolean | null = null;
  #cameraOff: boolean | null = null;
  /** Push-to-talk is held: the microphone is open until it is let go. */
  #talking = false;
  #picking = false;
  #mix: Mix | null = null;
  /** Work on one device is done in the order it was asked for. */
  #order = new Map<Kind, Promise<void>>();
  #shareTrouble: Trouble | null = null;
  #ear: MediaStreamTrack | null = null;

  constructor(
    /** Of the call, or of the room. */
    readonly id: string,
    readonly ofRoom: boolean,
    private readonly devices: Devices,
    private readonly browser: SendingBrowser,
    private readonly owner: { changed(sending: Sending): void; told(sending: Sending): void },
    /** How it was in the page that carried it before; null decides as the person wants calls to begin. */
    before: Pick<Kept, "muted" | "camera_off"> | { readonly muted: null; readonly camera_off: boolean | null } | null = null,
  ) {
    this.#muted = before?.muted ?? null;
    this.#cameraOff = before?.camera_off ?? null;
  }

  get view(): SendingView {
    const { trouble, wanted } = this.devices.state;
    return {
      local: this.#local,
      muted: this.#muted ?? !wanted.microphone,
      cameraOff: this.#cameraOff ?? !wanted.camera,
      sharing: this.#share !== null,
      shareStream: this.#share,
      trouble: { camera: trouble.camera, microphone: trouble.microphone, share: this.#shareTrouble },
    };
  }

  /** What another page goes on with: an open microphone only where it was meant to stay open. */
  get wish(): { muted: boolean; camera_off: boolean } {
    const { muted, cameraOff } = this.view;
    return { muted: muted || this.#talking, camera_off: cameraOff };
  }

  /** Hears the microphone even while muted, for whoever speaks without noticing. It is never sent. */
  get ear(): MediaStreamTrack | null {
    return this.#ear;
  }

  /** Opens the devices; false if that was done before. */
  async begin(kinds: readonly Kind[]): Promise<boolean> {
    if (this.#begun) return false;
    this.#begun = true;
    const { wanted } = this.devices.state;
    this.#muted ??= !wanted.microphone || !kinds.includes("audio");
    this.#cameraOff ??= !wanted.camera || !kinds.includes("video");
    this.owner.changed(this); // a browser may ask for long
    await Promise.all([this.#settle("audio"), this.#settle("video")]);
    this.devices.closePreview();
    return true;
  }

  /** `talking`: only as long as push-to-talk is held. */
  async setMuted(muted: boolean, talking = false): Promise<void> {
    this.#talking = talking && !muted;
    this.#muted = muted;
    const track = this.#tracks.get("audio");
    if (track !== undefined) track.enabled = !muted; // at once, whatever is being opened
    await this.#settle("audio");
  }

  /** A camera that is off is closed: its light goes out. */
  async setCameraOff(off: boolean): Promise<void> {
    this.#cameraOff = off;
    if (off) this.#stopTrack("video");
    await this.#settle("video");
  }

  /** Shares a screen, with its sound where the browser can. Never rejects: see `trouble.share`. */
  async startShare(): Promise<void> {
    if (this.#share !== null || this.#picking) return;
    const media = this.browser.media;
    if (media?.getDisplayMedia === undefined) {
      this.#shareTrouble = "unsupported";
      this.owner.changed(this);
      return;
    }
    this.#picking = true;
    try {
      const share = await media.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true });
      if (this.over) {
        for (const track of share.getTracks()) track.stop(); // it ended while the person chose
        return;
      }
      this.#share = share;
      this.#shareTrouble = null;
    } catch (error) {
      this.#shareTrouble = classify(error);
      this.owner.changed(this);
      return;
    } finally {
      this.#picking = false;
    }
    this.#share.getVideoTracks()[0]?.addEventListener("ended", () => void this.stopShare());
    await this.#shareChanged();
  }

  async stopShare(): Promise<void> {
    if (this.#share === null) return;
    for (const track of this.#share.getTracks()) track.stop();
    this.#share = null;
    await this.#shareChanged();
  }

  /** Another camera or microphone, without a pause of the other; it was chosen in the devices. */
  async changeDevice(kind: Kind): Promise<void> {
    if (!this.#tracks.has(kind)) return;
    this.#stopTrack(kind);
    await this.#settle(kind);
  }

  /** Sends what there is to a session that may have it from now on. */
  async sendTo(session: Session): Promise<void> {
    await Promise.all([this.#audioTo(session), this.#videoTo(session)]);
    this.owner.changed(this);
  }

  end(): void {
    this.over = true;
    this.#mix?.close();
    this.#ear?.stop();
    for (const track of this.#tracks.values()) track.stop();
    for (const track of this.#share?.getTracks() ?? []) track.stop();
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────────
  /** Opens or closes the device as the person wants it now, and sends what there is. */
  #settle(kind: Kind): Promise<void> {
    const next = (this.#order.get(kind) ?? Promise.resolve()).then(() => this.#settleNow(kind));
    this.#order.set(kind, next);
    return next;
  }

  async #settleNow(kind: Kind): Promise<void> {
    const off = () => (kind === "audio" ? this.#muted : this.#cameraOff) === true;
    if (this.over) return;
    if (!this.#begun) {
      this.owner.changed(this); // remembered; nothing is opened before the call is accepted
      return;
    }
    if (!this.#tracks.has(kind) && !off()) {
      const name = NAME[kind];
      const track = this.devices.takeFromPreview(name) ?? (await this.devices.open(name));
      // NOTE: opening may take as long as a person takes to answer the browser's question. What
      // they wished for meanwhile counts, not what they wished for when it was asked.
      if (track === null) this.#switchedOff(kind);
      else if (this.over || (kind === "video" && off())) track.stop();
      else this.#opened(kind, track);
    }
    if (this.over) return;
    const microphone = this.#tracks.get("audio");
    if (microphone !== undefined) microphone.enabled = this.#muted !== true;
    await (kind === "audio" ? this.#sendAudio() : this.#sendVideo());
    this.#tell();
  }

  #opened(kind: Kind, track: MediaStreamTrack): void {
    track.addEventListener("ended", () => {
      if (this.#tracks.get(kind) !== track) return;
      this.#stopTrack(kind);
      this.devices.unplugged(NAME[kind]);
      this.#switchedOff(kind);
      void this.#settle(kind);
    });
    this.#tracks.set(kind, track);
    if (kind === "audio" && this.ofRoom) {
      this.#ear = track.clone();
      this.#ear.enabled = true;
    }
    this.#localChanged();
  }

  #switchedOff(kind: Kind): void {
    if (kind === "audio") this.#muted = true;
    else this.#cameraOff = true;
  }

  #stopTrack(kind: Kind): void {
    this.#tracks.get(kind)?.stop();
    this.#tracks.delete(kind);
    if (kind === "audio") {
      this.#ear?.stop();
      this.#ear = null;
    }
    this.#localChanged();
  }

  #localChanged(): void {
    this.#local = this.#tracks.size > 0 ? new MediaStream([...this.#tracks.values()]) : null;
  }

  async #shareChanged(): Promise<void> {
    await this.#sendVideo();
    await this.#sendAudio();
    this.#tell();
  }

  /** The microphone, and the shared screen's sound with it. */
  async #sendAudio(): Promise<void> {
    this.#mix?.close();
    const shared = this.#share?.getAudioTracks()[0];
    const both = [this.#tracks.get("audio"), shared].filter((track) => track !== undefined);
    this.#mix = shared === undefined ? null : this.browser.mix(both);
    await this.#each((session) => this.#audioTo(session));
  }

  async #sendVideo(): Promise<void> {
    await this.#each((session) => this.#videoTo(session));
  }

  #audioTo(session: Session): Promise<void> {
    return session.send("audio", this.#mix?.track ?? this.#tracks.get("audio") ?? null);
  }

  #videoTo(session: Session): Promise<void> {
    const shared = this.#share?.getVideoTracks()[0];
    return session.send("video", shared ?? this.#tracks.get("video") ?? null, shared !== undefined);
  }

  async #each(send: (session: Session) => Promise<void>): Promise<void> {
    const attached = [...this.to].flatMap((call) => call.sessions.filter((session) => session.attached));
    await Promise.all(attached.map(send));
    this.owner.changed(this);
  }

  #tell(): void {
    this.owner.told(this);
    this.owner.changed(this);
  }
}
