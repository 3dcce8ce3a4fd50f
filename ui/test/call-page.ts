// A page in a call or a room, in memory: its devices open when the test says so.
import type { AppState, Client, KeepChange } from "../src/node/client.js";
import { Devices } from "../src/media/devices.js";
import { Media } from "../src/media/media.js";
import type { CallShown, FromNode, FromPage, Kept, Kind, Participant, RoomShown } from "../src/node/messages.js";

export const ME = 1;
export const CALL = "ab".repeat(16);
export const ROOM = "cd".repeat(16);
export const [ANNA, BEN] = ["a1".repeat(16), "be".repeat(16)] as const;

export class FakeTrack extends EventTarget {
  enabled = true;
  readyState: "live" | "ended" = "live";
  contentHint = "";
  height = 720;
  muted = false;
  device: string | undefined;
  clones: FakeTrack[] = [];
  /** `settings`: what else `getSettings` says. */
  constructor(
    readonly kind: Kind,
    private readonly settings: object = {},
  ) {
    super();
  }
  getSettings = () => ({ height: this.height, deviceId: this.device, ...this.settings });
  /** It ends or is silenced by itself, not by us. */
  becomes(what: "ended" | "mute" | "unmute"): void {
    if (what === "ended") this.readyState = "ended";
    else this.muted = what === "mute";
    this.dispatchEvent(new Event(what));
  }
  clone(): FakeTrack {
    const copy = new FakeTrack(this.kind);
    this.clones.push(copy);
    return copy;
  }
  stop(): void {
    this.readyState = "ended";
  }
}

export class FakeStream {
  constructor(private tracks: FakeTrack[] = []) {}
  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks.filter((one) => one.kind === "audio");
  getVideoTracks = () => this.tracks.filter((one) => one.kind === "video");
  addTrack = (track: FakeTrack) => void this.tracks.push(track);
  removeTrack = (track: FakeTrack) => void (this.tracks = this.tracks.filter((one) => one !== track));
}
Object.assign(globalThis, { MediaStream: FakeStream });

export class FakeChannel {
  readyState = "open";
  bufferedAmount = 0;
  sent: Uint8Array[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onopen: (() => void) | null = null;
  send = (data: Uint8Array) => void this.sent.push(data);
}

export class FakePeer {
  connectionState = "new";
  localDescription: unknown = null;
  sent = new Map<Kind, FakeTrack | null>();
  channels = new Map<number, FakeChannel>();
  encodings = new Map<Kind, Record<string, unknown>>([
    ["audio", {}],
    ["video", {}],
  ]);
  createDataChannel = (_: string, { id }: { id: number }) => {
    const channel = new FakeChannel();
    this.channels.set(id, channel);
    return channel;
  };
  addTransceiver = (kind: Kind) => ({
    currentDirection: null,
    sender: {
      track: null,
      replaceTrack: async (track: FakeTrack | null) => void this.sent.set(kind, track),
      getParameters: () => ({ encodings: [this.encodings.get(kind)] }),
      setParameters: async () => undefined,
    },
  });
  createOffer = async () => ({ type: "offer", sdp: "v=0" });
  setLocalDescription = async (description: unknown) => void (this.localDescription = description);
  setRemoteDescription = async (): Promise<void> => undefined;
  onconnectionstatechange: () => void = () => undefined;
  getStats = async () => new Map();
  close = () => undefined;
  async connect(): Promise<void> {
    this.connectionState = "connected";
    this.onconnectionstatechange();
    await settled();
  }
}

interface Wish {
  deviceId?: { exact: string };
}

/** A page in a call, whose devices open when the test says so. */
export class Page {
  opened: FakeTrack[] = [];
  asked: { kind: Kind; answer: (allow?: boolean, why?: string) => FakeTrack }[] = [];
  picker: ((stream: FakeStream) => void)[] = [];
  /** Closes the picker as a browser does, with its words for why. */
  refusePicker: ((error: Error) => void)[] = [];
  wishes: DisplayMediaStreamOptions[] = [];
  /** The browser can leave the page's own sound out of what is shared. */
  leavesOwnOut = true;
  told: FromPage[] = [];
  /** How calls and rooms stood in a page before this one. */
  before = new Map<string, Kept>();
  /** What the next page would be told. */
  handed = new Map<string, KeepChange>();
  mixed: FakeTrack[][] = [];
  peers: FakePeer[] = [];
  /** Devices there are. */
  found: MediaDeviceInfo[] = [];
  #plugged: () => void = () => undefined;
  hear: (message: FromNode) => void = () => undefined;
  change: (state: AppState) => void = () => undefined;
  devices = new Devices(
    {
      addEventListener: (_: string, changed: () => void) => (this.#plugged = changed),
      enumerateDevices: async () => this.found,
      getUserMedia: (wish: { video?: Wish; audio?: Wish }) =>
        new Promise<FakeStream>((done, refuse) => {
          const kind: Kind = wish.video === undefined ? "audio" : "video";
          const exact = (wish.video ?? wish.audio)?.deviceId?.exact;
          if (exact !== undefined && this.found.length > 0 && !this.found.some((one) => one.deviceId === exact))
            return refuse(Object.assign(new Error("no"), { name: "OverconstrainedError" }));
          this.asked.push({
            kind,
            answer: (allow = true, why = "NotAllowedError") => {
              const track = new FakeTrack(kind);
              const place = kind === "video" ? "videoinput" : "audioinput";
              track.device = exact ?? this.found.find((one) => one.kind === place)?.deviceId;
              if (allow) this.opened.push(track);
              if (allow) done(new FakeStream([track]));
              else refuse(Object.assign(new Error("no"), { name: why }));
              return track;
            },
          });
        }),
    } as unknown as MediaDevices,
    { getItem: () => null, setItem: () => undefined },
  );
  client = {
    state: { calls: [] as readonly CallShown[] } as AppState,
    hear: (take: (message: FromNode) => void) => (this.hear = take),
    subscribe: (take: (state: AppState) => void) => (this.change = take),
    tell: (message: FromPage) => this.told.push(message),
    kept: (target: string) => this.before.get(target) ?? null,
    keep: (target: string, change: KeepChange) => void this.handed.set(target, { ...this.handed.get(target), ...change }),
  };
  media = new Media(
    this.client as unknown as Client,
    this.devices,
    {
      peer: () => {
        const peer = new FakePeer();
        this.peers.push(peer);
        return peer as unknown as RTCPeerConnection;
      },
      media: {
        getSupportedConstraints: () => ({ restrictOwnAudio: this.leavesOwnOut }),
        getDisplayMedia: (wish: DisplayMediaStreamOptions) =>
          new Promise((done, refuse) => {
            this.wishes.push(wish);
            this.picker.push(done);
            this.refusePicker.push(refuse);
          }),
      } as unknown as MediaDevices,
      mix: (tracks) => {
        this.mixed.push(tracks as unknown as FakeTrack[]);
        return { track: new FakeTrack("audio") as never, close: () => undefined };
      },
    },
  );

  shown(page: number | null = ME, link = "open"): void {
    const calls = page === null ? [] : [{ call: CALL, page } as CallShown];
    this.#said({ link, calls, rooms: { rooms: [] } });
    if (link === "open") this.hear({ t: "calls", calls });
  }
  /** What the room's list says: who is in, by the calls with them. */
  inRoom(calls: readonly string[], page: number = ME, state: "in" | "knocking" = "in"): void {
    const people = calls.map((call) => ({ call }) as Participant);
    const rooms = { t: "rooms", rooms: [{ room: ROOM, state, page, people } as unknown as RoomShown], invitations: [], meetings: [] } as const;
    this.#said({ link: "open", calls: [], rooms });
    this.hear(rooms as unknown as FromNode);
  }
  #said(state: object): void {
    this.client.state = { ...state, welcome: { page: ME } } as unknown as AppState;
    this.change(this.client.state);
  }
  /** A session of a call with somebody in the room, ready to send. */
  async meet(session: number, call: string): Promise<void> {
    this.hear({ t: "open-media", session, call, kinds: ["audio", "video"], servers: [], relay_only: false, room: ROOM, carry: true });
    this.hear({ t: "make-offer", session });
    this.hear({ t: "attach-media", session, kinds: ["audio", "video"] });
    await settled();
  }
  async begin(kinds: Kind[] = ["audio", "video"]): Promise<void> {
    this.hear({ t: "open-media", session: 1, call: CALL, kinds, servers: [], relay_only: false, room: null, carry: false });
    this.shown();
    this.hear({ t: "make-offer", session: 1 });
    await settled();
  }
  async accept(kinds: Kind[] = ["audio", "video"]): Promise<void> {
    this.hear({ t: "attach-media", session: 1, kinds });
    await settled();
  }
  /** These devices are there from now on. */
  async plug(...found: readonly [MediaDeviceKind, string][]): Promise<void> {
    this.found = found.map(([kind, deviceId]) => ({ kind, deviceId, label: deviceId }) as MediaDeviceInfo);
    this.#plugged();
    await settled();
  }
  /** The last that the other side was told. */
  get toldMedia(): { muted: boolean; camera_off: boolean } | undefined {
    return this.told.filter((one) => one.t === "tell-media").at(-1);
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

export const settled = () => new Promise<void>((done) => setImmediate(done));
