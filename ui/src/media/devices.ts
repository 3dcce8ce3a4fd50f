// Camera, microphone and speaker: which there are, which are wanted, and what is wrong with them.
import { causeOf, causeOfEnd, causeOfNone, type Circumstances, type Trouble } from "./trouble.js";

export type DeviceKind = "camera" | "microphone" | "speaker";

type Opened = "camera" | "microphone";
const BOTH: readonly Opened[] = ["camera", "microphone"];

function tracksOf(stream: MediaStream, kind: Opened): MediaStreamTrack[] {
  return kind === "camera" ? stream.getVideoTracks() : stream.getAudioTracks();
}

export interface Device {
  readonly id: string;
  readonly label: string;
}

export interface DevicesState {
  readonly cameras: readonly Device[];
  readonly microphones: readonly Device[];
  readonly speakers: readonly Device[];
  readonly chosen: Readonly<Record<DeviceKind, string | null>>;
  /** Whether calls begin with these; a call's own switches do not change them. */
  readonly wanted: Readonly<Record<"camera" | "microphone", boolean>>;
  readonly trouble: Readonly<Record<"camera" | "microphone", Trouble | null>>;
}

/** The browser opens what is allowed at once; after this long it waits for a person. */
const ASKING_AFTER = 1_000;
/** Some systems let nothing through for a moment when a device begins. */
const SILENCED_AFTER = 1_000;
const ORDINARY: Circumstances = {
  secure: true,
  framed: false,
  agent: "",
  allowed: () => null,
  permission: async () => null,
};
const CHOICE = "onmeet-devices";
const IDEAL_VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30 },
};

export class Devices {
  state: DevicesState = {
    cameras: [],
    microphones: [],
    speakers: [],
    chosen: { camera: null, microphone: null, speaker: null },
    wanted: { camera: true, microphone: true },
    trouble: { camera: null, microphone: null },
  };
  #listeners = new Set<(state: DevicesState) => void>();
  #preview: MediaStream | null = null;
  #previewFor: string | null = null;
  #previewKinds: readonly Opened[] = BOTH;
  /** What the preview waits for; a call that begins meanwhile takes it over, and asks no second time. */
  #opening = new Map<Opened, { track: Promise<MediaStreamTrack | null>; taken: boolean }>();
  /** Ids of what ended by itself last. */
  #went = new Map<Opened, string | undefined>();
  #returned = new Set<(kind: Opened, id: string) => void>();

  constructor(
    private readonly media: MediaDevices | undefined,
    private readonly storage: Pick<Storage, "getItem" | "setItem">,
    private readonly around: Circumstances = ORDINARY,
  ) {
    try {
      const kept = JSON.parse(storage.getItem(CHOICE) ?? "{}") as Partial<DevicesState>;
      if (kept.wanted) this.state = { ...this.state, wanted: { ...this.state.wanted, ...kept.wanted } };
      if (kept.chosen) this.state = { ...this.state, chosen: { ...this.state.chosen, ...kept.chosen } };
    } catch {
      // what a page kept is not worth an error
    }
    media?.addEventListener("devicechange", () => void this.refresh());
    this.onReturn((kind) => {
      const gone = ["unplugged", "missing"].includes(this.state.trouble[kind] ?? "");
      if (this.#preview !== null && gone) void this.openPreview();
    });
  }

  subscribe(listener: (state: DevicesState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` when a camera or microphone that was gone is there again. */
  onReturn(listener: (kind: Opened, id: string) => void): () => void {
    this.#returned.add(listener);
    return () => this.#returned.delete(listener);
  }

  /** Why there is none of what was asked for; the same words for every screen. */
  async cause(error: unknown): Promise<Trouble> {
    return await causeOf(error, "display-capture", this.around);
  }

  /** Where sound goes: what was chosen, while it is there; "" as the system chooses. */
  get speaker(): string {
    const { chosen, speakers } = this.state;
    const id = chosen.speaker ?? "";
    return speakers.length === 0 || speakers.some((one) => one.id === id) ? id : "";
  }

  /** Looks which devices there are; names come only after a permission. */
  async refresh(): Promise<void> {
    const found = await this.#found();
    if (found === null) return;
    const of = (kind: MediaDeviceKind) =>
      found
        .filter((one) => one.kind === kind && one.deviceId !== "")
        .map((one) => ({ id: one.deviceId, label: one.label }));
    const before = { camera: this.state.cameras, microphone: this.state.microphones };
    this.#change({ cameras: of("videoinput"), microphones: of("audioinput"), speakers: of("audiooutput") });
    const now = { camera: this.state.cameras, microphone: this.state.microphones };
    for (const kind of BOTH) {
      // A list may still name what was unplugged a moment ago.
      const listed = now[kind].some((one) => one.id === this.#went.get(kind));
      if (this.state.trouble[kind] === "stopped" && !listed) this.#trouble(kind, "unplugged");
      for (const { id } of now[kind]) {
        if (before[kind].some((one) => one.id === id)) continue;
        for (const listener of this.#returned) listener(kind, id);
        // What was missing is there, whether or not somebody opens it now.
        const trouble = this.state.trouble[kind];
        if (trouble === "missing" || (trouble === "unplugged" && id === this.#went.get(kind))) this.#trouble(kind, null);
      }
    }
  }

  async #found(): Promise<MediaDeviceInfo[] | null> {
    try {
      return (await this.media?.enumerateDevices()) ?? null;
    } catch {
      return null; // a browser that lists none may open them all the same
    }
  }

  /**
   * Opens one track of the chosen device, or of any while that one is not there. Null: there is none,
   * and `state.trouble` says why. Takes as long as a person takes to answer the browser's question,
   * which `state.trouble` says, too. The caller stops the track, and calls `closed`.
   */
  async open(kind: Opened): Promise<MediaStreamTrack | null> {
    if (this.media?.getUserMedia === undefined) {
      this.#trouble(kind, causeOfNone(this.around));
      return null;
    }
    const asking = setTimeout(() => this.#trouble(kind, "asking"), ASKING_AFTER);
    const chosen = this.state.chosen[kind];
    try {
      const track = (await this.#ask(kind, chosen)) ?? null;
      if (track !== null && this.state.chosen[kind] !== chosen) {
        track.stop(); // another was chosen meanwhile
        return await this.open(kind);
      }
      this.#trouble(kind, null);
      if (track !== null) this.#watch(kind, track);
      void this.refresh();
      return track;
    } catch (error) {
      this.#trouble(kind, await causeOf(error, kind, this.around));
      return null;
    } finally {
      clearTimeout(asking);
    }
  }

  async #ask(kind: Opened, chosen: string | null): Promise<MediaStreamTrack | undefined> {
    const any = kind === "camera" ? IDEAL_VIDEO : {};
    const one = async (wish: MediaTrackConstraints) =>
      (await this.media!.getUserMedia(kind === "camera" ? { video: wish } : { audio: wish })).getTracks()[0];
    if (chosen === null) return await one(any);
    try {
      return await one({ ...any, deviceId: { exact: chosen } });
    } catch (error) {
      if (!["missing", "other"].includes(await causeOf(error, kind, this.around))) throw error;
      return await one(any); // it stays chosen, for when it comes back
    }
  }

  /** Notices what becomes of an open track. */
  #watch(kind: Opened, track: MediaStreamTrack): void {
    const silenced = () => {
      if (track.muted && track.readyState === "live") this.#trouble(kind, "silenced");
    };
    const later = () => setTimeout(silenced, SILENCED_AFTER);
    track.addEventListener("mute", later);
    track.addEventListener("unmute", () => this.closed(kind));
    track.addEventListener("ended", () => void this.#ended(kind, track));
    if (track.muted) later();
  }

  async #ended(kind: Opened, track: MediaStreamTrack): Promise<void> {
    if (this.#preview !== null && tracksOf(this.#preview, kind).includes(track)) this.#preview.removeTrack(track);
    const { deviceId } = track.getSettings();
    this.#went.set(kind, deviceId);
    this.#trouble(kind, await causeOfEnd(kind, deviceId, (await this.#found()) ?? [], this.around));
    await this.refresh();
  }

  /** What was said of an open track holds no more. */
  closed(kind: Opened): void {
    if (this.state.trouble[kind] === "silenced") this.#trouble(kind, null);
  }

  /** The call that the preview waits for to take its tracks; null: it belongs to a screen. */
  get previewFor(): string | null {
    return this.#previewFor;
  }

  /** What is shown of oneself before a call; null: nothing is open. */
  get preview(): MediaStream | null {
    return this.#preview;
  }

  /** What the person would send, as far as it is wanted and works; `closePreview` ends it. */
  async openPreview(kinds: readonly Opened[] = this.#previewKinds): Promise<MediaStream> {
    const stream = (this.#preview ??= new MediaStream());
    this.#previewKinds = kinds;
    const live = (kind: Opened) => this.#preview === stream && this.state.wanted[kind];
    const has = (kind: Opened) => tracksOf(stream, kind).length > 0;
    for (const kind of kinds) {
      if (!live(kind) || has(kind)) continue;
      let opening = this.#opening.get(kind);
      if (opening === undefined) this.#opening.set(kind, (opening = { track: this.open(kind), taken: false }));
      const track = await opening.track;
      if (this.#opening.get(kind) === opening) this.#opening.delete(kind);
      if (track === null || opening.taken || tracksOf(stream, kind).includes(track)) continue;
      // The screen may have been left, the switch turned off, or another opened it meanwhile.
      if (live(kind) && !has(kind)) stream.addTrack(track);
      else track.stop();
      this.#change({});
    }
    return stream;
  }

  /** Leaves the preview open for a call that is being taken, until it starts or ends. */
  keepPreviewFor(call: string): void {
    if (this.#preview !== null) this.#previewFor = call;
  }

  closePreview(): void {
    for (const kind of BOTH) this.#drop(kind);
    this.#preview = null;
    this.#previewFor = null;
    this.#previewKinds = BOTH;
  }

  /** A track for a call, which stops it: the preview's, or what the preview waits for, or a new one. */
  async take(kind: Opened): Promise<MediaStreamTrack | null> {
    const opening = this.#opening.get(kind);
    if (opening === undefined) return this.takeFromPreview(kind) ?? (await this.open(kind));
    this.#opening.delete(kind);
    opening.taken = true;
    return await opening.track;
  }

  /** Gives up the preview's track of a kind for a call, which stops it. Null if there is none. */
  takeFromPreview(kind: Opened): MediaStreamTrack | null {
    const stream = this.#preview;
    const track = stream === null ? undefined : tracksOf(stream, kind)[0];
    if (track === undefined) return null;
    stream?.removeTrack(track);
    return track.readyState === "live" ? track : null;
  }

  #drop(kind: Opened): void {
    const track = this.takeFromPreview(kind);
    if (track === null) return;
    track.stop();
    this.closed(kind);
  }

  /** Uses this device from now on; the preview changes at once. */
  async choose(kind: DeviceKind, id: string | null): Promise<void> {
    this.#change({ chosen: { ...this.state.chosen, [kind]: id } });
    this.#store();
    if (kind !== "speaker" && this.#preview !== null) {
      this.#drop(kind);
      await this.openPreview();
    }
  }

  /** Devices as another page had them in a call that goes on here. */
  takeOver(kept: { readonly [kind in DeviceKind]: string | null }): void {
    const chosen = { ...this.state.chosen };
    for (const kind of ["camera", "microphone", "speaker"] as const) {
      const id = kept[kind];
      if (id !== null) chosen[kind] = id === "" ? null : id;
    }
    this.#change({ chosen });
    this.#store();
  }

  /** How the next call begins, where nothing is open yet. */
  beginWith(wanted: DevicesState["wanted"]): void {
    this.#change({ wanted });
  }

  /** A reload of the page changes neither the devices nor how calls begin. */
  #store(): void {
    const { chosen, wanted } = this.state;
    this.storage.setItem(CHOICE, JSON.stringify({ chosen, wanted }));
  }

  async setWanted(kind: "camera" | "microphone", on: boolean): Promise<void> {
    this.#change({ wanted: { ...this.state.wanted, [kind]: on } });
    this.#store();
    if (this.#preview === null) return;
    if (on) await this.openPreview();
    else this.#drop(kind);
    this.#change({});
  }

  #trouble(kind: Opened, trouble: Trouble | null): void {
    this.#change({ trouble: { ...this.state.trouble, [kind]: trouble } });
  }

  #change(change: Partial<DevicesState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener(this.state);
  }
}

export interface Meter {
  /** 0 silent … 1 as loud as can be. */
  level(): number;
  /** Whether somebody speaks now, by level with a little patience. */
  speaking(): boolean;
  close(): void;
}

const SPEAKING = 0.06;
const PATIENCE = 400;

/** How loud a stream is. */
export function meter(stream: MediaStream): Meter {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  if (stream.getAudioTracks().length > 0) context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let spoke = -Infinity;
  const level = () => {
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    const loud = Math.min(1, Math.sqrt(sum / samples.length) * 4);
    if (loud > SPEAKING) spoke = performance.now();
    return loud;
  };
  return {
    level,
    speaking: () => (level(), performance.now() - spoke < PATIENCE),
    close: () => void context.close(),
  };
}
