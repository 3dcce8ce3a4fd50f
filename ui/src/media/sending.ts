// What this page sends: camera, microphone and screen, to one call or to all calls of a room.
import type { Devices } from "./devices.js";
import type { Kept, Kind } from "../node/messages.js";
import type { Session } from "./session.js";
import { echoes, mark, shareWish, type ShareTrouble } from "./share.js";
import type { Trouble } from "./trouble.js";

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
  readonly trouble: Readonly<Record<"camera" | "microphone", Trouble | null>> & { readonly share: ShareTrouble | null };
}

/** What the other side is told of us. */
export type Told = Pick<SendingView, "muted" | "cameraOff" | "sharing">;

const KINDS: readonly Kind[] = ["audio", "video"];
/** What is said of a share that did not come about is true for a moment, not for the rest of the call. */
const SAID_MS = 20_000;
/** Of this page; see `mark`. */
const HANDLE = `onmeet-${Math.random()}`;

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
  #shareTrouble: ShareTrouble | null = null;
  #said: ReturnType<typeof setTimeout> | undefined;
  /** Taken from the preview, or asked for, and not opened here yet. */
  #claims = new Map<Kind, Promise<MediaStreamTrack | null>>();
  /** Devices that vanished while they were used, by id: what comes back goes on. */
  #gone = new Map<Kind, string>();
  #told: Told | null = null;
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
    const { trouble } = this.devices.state;
    const { muted, cameraOff } = this.#switches;
    return {
      local: this.#local,
      // While the browser's question is open, nobody is heard or seen, whatever they wished for.
      muted: muted || this.#waits("audio"),
      cameraOff: cameraOff || this.#waits("video"),
      sharing: this.#share !== null,
      shareStream: this.#share,
      trouble: { camera: trouble.camera, microphone: trouble.microphone, share: this.#shareTrouble },
    };
  }

  /** How things stand for the others: a camera that the system silences is dark for them. */
  get told(): Told {
    const { muted, cameraOff, sharing, trouble } = this.view;
    return {
      muted: muted || trouble.microphone === "silenced",
      cameraOff: cameraOff || trouble.camera === "silenced",
      sharing,
    };
  }

  /** What another page goes on with: an open microphone only where it was meant to stay open. */
  get wish(): { muted: boolean; camera_off: boolean } {
    const { muted, cameraOff } = this.#switches;
    return { muted: muted || this.#talking, camera_off: cameraOff };
  }

  get #switches(): { muted: boolean; cameraOff: boolean } {
    const { wanted } = this.devices.state;
    return { muted: this.#muted ?? !wanted.microphone, cameraOff: this.#cameraOff ?? !wanted.camera };
  }

  #waits(kind: Kind): boolean {
    return this.#begun && !this.#tracks.has(kind) && this.devices.state.trouble[NAME[kind]] === "asking";
  }

  #off(kind: Kind): boolean {
    return (kind === "audio" ? this.#muted : this.#cameraOff) === true;
  }

  /** Hears the microphone even while muted, for whoever speaks without noticing. It is never sent. */
  get ear(): MediaStreamTrack | null {
    return this.#ear;
  }

  /**
   * Has the devices opened; false if that was done before. Never waits: a person may take as long as
   * they like to answer the browser, and sees and hears the others meanwhile.
   */
  begin(kinds: readonly Kind[]): boolean {
    if (this.#begun) return false;
    this.#begun = true;
    const { wanted } = this.devices.state;
    this.#muted ??= !wanted.microphone || !kinds.includes("audio");
    this.#cameraOff ??= !wanted.camera || !kinds.includes("video");
    this.owner.changed(this);
    for (const kind of KINDS) if (!this.#off(kind)) this.#claims.set(kind, this.devices.take(NAME[kind]));
    this.devices.closePreview();
    for (const kind of KINDS) void this.#settle(kind);
    return true;
  }

  /** The devices are not what they were: whoever is sent to is told what that means for them. */
  devicesChanged(): void {
    const [before, now] = [this.#told, this.told];
    const waits = before === null && KINDS.some((kind) => this.#waits(kind));
    const differs = before !== null && (before.muted !== now.muted || before.cameraOff !== now.cameraOff);
    if (waits || differs) this.#tell();
    else this.owner.changed(this);
  }

  /** A device is there again: used again, if it went while it was used, or was chosen all along. */
  returned(name: "camera" | "microphone", id: string): void {
    const kind = name === "camera" ? "video" : "audio";
    const { chosen, trouble } = this.devices.state;
    if (this.#gone.get(kind) === id && trouble[name] === "unplugged") {
      this.#gone.delete(kind);
      if (kind === "audio") this.#muted = false;
      else this.#cameraOff = false;
      void this.#settle(kind);
    } else if (chosen[name] === id && (this.#tracks.get(kind)?.getSettings().deviceId ?? id) !== id)
      void this.changeDevice(kind);
  }

  /** `talking`: only as long as push-to-talk is held. */
  async setMuted(muted: boolean, talking = false): Promise<void> {
    this.#talking = talking && !muted;
    this.#muted = muted;
    this.#gone.delete("audio");
    const track = this.#tracks.get("audio");
    if (track !== undefined) track.enabled = !muted; // at once, whatever is being opened
    if (muted) this.#tellOff();
    await this.#settle("audio");
  }

  /** A camera that is off is closed: its light goes out. */
  async setCameraOff(off: boolean): Promise<void> {
    this.#cameraOff = off;
    this.#gone.delete("video");
    if (off) {
      this.#stopTrack("video");
      this.#tellOff();
    }
    await this.#settle("video");
  }

  /** Shares a screen, with its sound where the browser can. Never rejects: see `trouble.share`. */
  async startShare(): Promise<void> {
    if (this.#share !== null || this.#picking) return;
    const media = this.browser.media;
    if (media?.getDisplayMedia === undefined) return this.#notShared("unsupported");
    this.#picking = true;
    this.#notShared(null);
    try {
      mark(media, HANDLE);
      const share = await media.getDisplayMedia(shareWish(media));
      if (this.over) {
        for (const track of share.getTracks()) track.stop(); // it ended while the person chose
        return;
      }
      this.#share = share;
      if (echoes(share, HANDLE)) {
        for (const sound of share.getAudioTracks()) {
          sound.stop();
          share.removeTrack(sound);
        }
        this.#notShared("sound");
      }
    } catch (error) {
      const cause = await this.devices.cause(error);
      // Who closes the picker knows: browsers say of that what they say of a person who forbids it.
      return this.#notShared(cause === "denied" || cause === "dismissed" ? null : cause);
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
    this.#notShared(null);
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
    clearTimeout(this.#said);
    this.#mix?.close();
    this.#ear?.stop();
    for (const track of this.#tracks.values()) track.stop();
    for (const track of this.#share?.getTracks() ?? []) track.stop();
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────────
  #notShared(trouble: ShareTrouble | null): void {
    clearTimeout(this.#said);
    if (this.over) return;
    this.#shareTrouble = trouble;
    if (trouble !== null) this.#said = setTimeout(() => this.#notShared(null), SAID_MS);
    this.owner.changed(this);
  }

  /** Opens or closes the device as the person wants it now, and sends what there is. */
  #settle(kind: Kind): Promise<void> {
    const next = (this.#order.get(kind) ?? Promise.resolve())
      .then(() => this.#settleNow(kind))
      .catch(() => undefined); // a session that is being closed takes nothing any more
    this.#order.set(kind, next);
    return next;
  }

  async #settleNow(kind: Kind): Promise<void> {
    const off = () => this.#off(kind);
    const claim = this.#claims.get(kind);
    this.#claims.delete(kind);
    if (this.over || off()) void claim?.then((track) => track?.stop());
    if (this.over) return;
    if (!this.#begun) {
      this.owner.changed(this); // remembered; nothing is opened before the call is accepted
      return;
    }
    if (!this.#tracks.has(kind) && !off()) {
      const name = NAME[kind];
      const track = await (claim ?? this.devices.take(name));
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
      const used = !this.#off(kind);
      const id = track.getSettings().deviceId;
      this.#stopTrack(kind);
      this.#switchedOff(kind);
      if (used && id !== undefined) this.#gone.set(kind, id);
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
    if (this.#tracks.delete(kind)) this.devices.closed(NAME[kind]);
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
    await Promise.allSettled(attached.map(send)); // what cannot be sent to one goes to the others
    this.owner.changed(this);
  }

  /** What is switched off is so at once, even while the browser asks for it. */
  #tellOff(): void {
    if (this.#begun) this.#tell();
    else this.owner.changed(this);
  }

  #tell(): void {
    this.#told = this.told;
    this.owner.told(this);
    this.owner.changed(this);
  }
}
