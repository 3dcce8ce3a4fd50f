// Camera, microphone and speaker: which there are, which are wanted, and what is wrong with them.
export type Trouble =
  | "denied"
  | "dismissed"
  | "missing"
  | "busy"
  | "insecure"
  | "unplugged"
  | "unsupported"
  | "other";
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

/** What a failed getUserMedia or getDisplayMedia means (Media Capture and Streams, 10.2). */
export function classify(error: unknown): Trouble {
  const name = error instanceof Error ? error.name : "";
  const text = error instanceof Error ? error.message : "";
  switch (name) {
    case "NotAllowedError":
      return /dismiss/i.test(text) ? "dismissed" : "denied";
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "TypeError":
      return "insecure";
    default:
      return "other";
  }
}

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

  constructor(
    private readonly media: MediaDevices | undefined,
    private readonly storage: Pick<Storage, "getItem" | "setItem">,
  ) {
    try {
      const kept = JSON.parse(storage.getItem(CHOICE) ?? "{}") as Partial<DevicesState>;
      if (kept.wanted) this.state = { ...this.state, wanted: { ...this.state.wanted, ...kept.wanted } };
      if (kept.chosen) this.state = { ...this.state, chosen: { ...this.state.chosen, ...kept.chosen } };
    } catch {
      // what a page kept is not worth an error
    }
    media?.addEventListener("devicechange", () => void this.refresh());
  }

  subscribe(listener: (state: DevicesState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks which devices there are; names come only after a permission. */
  async refresh(): Promise<void> {
    if (this.media === undefined) return;
    const found = await this.media.enumerateDevices();
    const of = (kind: MediaDeviceKind) =>
      found
        .filter((one) => one.kind === kind && one.deviceId !== "")
        .map((one) => ({ id: one.deviceId, label: one.label }));
    this.#change({ cameras: of("videoinput"), microphones: of("audioinput"), speakers: of("audiooutput") });
  }

  /**
   * Opens one track of the chosen device, or of any if that one is gone. Null: there is none, and
   * `state.trouble` says why. The caller stops the track.
   */
  async open(kind: "camera" | "microphone"): Promise<MediaStreamTrack | null> {
    if (this.media === undefined) {
      this.#trouble(kind, "insecure");
      return null;
    }
    const chosen = this.state.chosen[kind];
    const wish = { ...(kind === "camera" ? IDEAL_VIDEO : {}), ...(chosen ? { deviceId: { exact: chosen } } : {}) };
    try {
      const stream = await this.media.getUserMedia(kind === "camera" ? { video: wish } : { audio: wish });
      this.#trouble(kind, null);
      void this.refresh();
      return stream.getTracks()[0] ?? null;
    } catch (error) {
      if (chosen !== null && ["missing", "other"].includes(classify(error))) {
        this.#change({ chosen: { ...this.state.chosen, [kind]: null } });
        return await this.open(kind);
      }
      this.#trouble(kind, classify(error));
      return null;
    }
  }

  /** The call that the preview waits for to take its tracks; null: it belongs to a screen. */
  get previewFor(): string | null {
    return this.#previewFor;
  }

  /** What the person would send, as far as it is wanted and works; `closePreview` ends it. */
  async openPreview(kinds: readonly Opened[] = this.#previewKinds): Promise<MediaStream> {
    const stream = (this.#preview ??= new MediaStream());
    this.#previewKinds = kinds;
    const live = (kind: Opened) => this.#preview === stream && this.state.wanted[kind];
    const has = (kind: Opened) => tracksOf(stream, kind).length > 0;
    for (const kind of kinds) {
      if (!live(kind) || has(kind)) continue;
      const track = await this.open(kind);
      // The screen may have been left, the switch turned off, or another opened it meanwhile.
      if (track !== null && live(kind) && !has(kind)) stream.addTrack(track);
      else track?.stop();
    }
    return stream;
  }

  /** Leaves the preview open for a call that is being taken, until it starts or ends. */
  keepPreviewFor(call: string): void {
    if (this.#preview !== null) this.#previewFor = call;
  }

  closePreview(): void {
    for (const track of this.#preview?.getTracks() ?? []) track.stop();
    this.#preview = null;
    this.#previewFor = null;
    this.#previewKinds = BOTH;
  }

  /** Gives up the preview's track of a kind for a call, which stops it. Null if there is none. */
  takeFromPreview(kind: "camera" | "microphone"): MediaStreamTrack | null {
    const stream = this.#preview;
    const track = stream === null ? undefined : tracksOf(stream, kind)[0];
    if (track === undefined) return null;
    stream?.removeTrack(track);
    return track.readyState === "live" ? track : null;
  }

  /** Uses this device from now on; the preview changes at once. */
  async choose(kind: DeviceKind, id: string | null): Promise<void> {
    this.#change({ chosen: { ...this.state.chosen, [kind]: id } });
    this.#store();
    if (kind !== "speaker" && this.#preview !== null) {
      this.takeFromPreview(kind)?.stop();
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
    else this.takeFromPreview(kind)?.stop();
    this.#change({});
  }

  /** A track of this kind ended by itself. */
  unplugged(kind: "camera" | "microphone"): void {
    this.#trouble(kind, "unplugged");
    void this.refresh();
  }

  #trouble(kind: "camera" | "microphone", trouble: Trouble | null): void {
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
