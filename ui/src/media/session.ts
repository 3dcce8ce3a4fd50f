// One peer connection: one generation of a call's media, as the node's page_endpoint.py asks for it.
import { packChat, packTaken, unpackChat, type Heard } from "../node/codec.js";
import type { Candidate, FromPage, Kind, OpenMedia, ServerSeen } from "../node/messages.js";
import type { SendLimits } from "../protocol/room-send-limits.js";
import { Encoder } from "./encoder.js";
import { look, type Look } from "./stats.js";
import { MAX_ERROR_CHARS, MAX_SERVERS_SEEN, MAX_SERVER_CHARS } from "../node/limits.js";
import { KINDS, MAX_BACKLOG_BYTES, MAX_CANDIDATES, MAX_CARRIED } from "../protocol/tables.js";

const LABEL = "onmeet";
const FRAMES_LABEL = "onmeet-frames";
/** A level older than this is of somebody who says nothing any more. */
const LEVEL_MS = 1_000;
/** Of silence from a path that was connected, before the node is told to make a new one. */
const LOST_AFTER = 4_000;
const SUSPECT_MS = 500;

export interface SessionOwner {
  tell(message: FromPage): void;
  /** Connected, lost, a track came: whoever shows the call looks again. */
  changed(session: Session): void;
  chat(session: Session, line: Heard): void;
  /** The other side has this line of ours. */
  taken(session: Session, number: number): void;
  /** Lines can be said here from now on. */
  chatOpen(session: Session): void;
}

export class Session {
  readonly pc: RTCPeerConnection;
  readonly remote = new MediaStream();
  connected = false;
  lost = false;
  attached = false;
  #senders = new Map<Kind, RTCRtpTransceiver>();
  #chat: RTCDataChannel;
  #frames: RTCDataChannel | null = null;
  #tracks = new Map<Kind, MediaStreamTrack | null>();
  #servers = new Map<string, ServerSeen>();
  #early: RTCIceCandidateInit[] = [];
  #described = false;
  #found: Candidate[] = [];
  #lostTimer: ReturnType<typeof setTimeout> | null = null;
  #first = new Set<Kind>();
  #closed = false;
  #encoder = new Encoder((kind) => (this.#closed ? undefined : this.#senders.get(kind)?.sender));
  #level = 0;
  #path: string | null = null;

  constructor(
    readonly open: OpenMedia,
    private readonly owner: SessionOwner,
    make: (configuration: RTCConfiguration) => RTCPeerConnection,
  ) {
    this.pc = make({
      // An explicit list, possibly empty: there is no default server, ever (P8).
      iceServers: open.servers.map((server) => ({
        urls: server.url,
        ...(server.username !== null ? { username: server.username } : {}),
        ...(server.credential !== null ? { credential: server.credential } : {}),
      })),
      iceTransportPolicy: open.relay_only ? "relay" : "all",
      bundlePolicy: "max-bundle",
    });
    this.#chat = this.pc.createDataChannel(LABEL, { negotiated: true, id: 0 });
    this.#chat.binaryType = "arraybuffer";
    this.#chat.onmessage = (event) => {
      const heard = unpackChat(event.data);
      if (heard === null) return;
      if (typeof heard === "number") return owner.taken(this, heard);
      owner.chat(this, heard);
      // Who writes without end and reads nothing is confirmed nothing more.
      if (heard.number !== null && this.#chat.readyState === "open" && this.#chat.bufferedAmount < MAX_BACKLOG_BYTES)
        this.#chat.send(packTaken(heard.number));
    };
    this.#chat.onopen = () => owner.chatOpen(this);
    if (open.carry) this.#openFrames();
    this.pc.onicecandidate = (event) => this.#candidate(event.candidate);
    this.pc.onicecandidateerror = (event) => this.#serverFailed(event);
    this.pc.onconnectionstatechange = () => this.#state();
    this.pc.ontrack = (event) => {
      this.remote.addTrack(event.track);
      owner.changed(this);
    };
  }

  get id(): number {
    return this.open.session;
  }

  /** Whether the other side agreed to a picture from us, as far as it has said. */
  get takesPicture(): boolean {
    const agreed = this.#senders.get("video")?.currentDirection;
    return agreed == null || agreed === "sendrecv" || agreed === "sendonly";
  }

  /** How loud they are now: 0 silent … 1 as loud as can be. */
  get level(): number {
    const source = this.#senders.get("audio")?.receiver?.getSynchronizationSources()[0];
    if (source === undefined) return 0;
    const age = performance.timeOrigin + performance.now() - source.timestamp;
    // Senders whose packets do not say how loud they are (RFC 6464) are looked up with the rest.
    return age > LEVEL_MS ? 0 : (source.audioLevel ?? this.#level);
  }

  async makeOffer(): Promise<void> {
    // NOTE: video has its section in a voice call too, so that a camera can be turned on later
    // without a second negotiation. Nothing is sent in it until then.
    for (const kind of KINDS) this.#senders.set(kind, this.pc.addTransceiver(kind, { direction: "sendrecv" }));
    await this.#describe(await this.pc.createOffer());
  }

  async takeOffer(sdp: string): Promise<void> {
    await this.pc.setRemoteDescription({ type: "offer", sdp });
    // NOTE: transceivers made before the offer was taken would match none of its sections and
    // send nothing; those that came with it are turned on instead.
    for (const transceiver of this.pc.getTransceivers()) {
      const kind = transceiver.receiver.track.kind as Kind;
      if (this.#senders.has(kind)) continue;
      transceiver.direction = "sendrecv";
      this.#senders.set(kind, transceiver);
    }
    await this.#describe(await this.pc.createAnswer());
    await this.#ready();
  }

  async takeAnswer(sdp: string): Promise<void> {
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    await this.#ready();
  }

  async takeCandidates(candidates: readonly Candidate[]): Promise<void> {
    const read = candidates.map((one) => ({
      candidate: one.candidate,
      sdpMid: one.mid ?? null,
      sdpMLineIndex: one.index ?? (one.mid == null ? 0 : null),
    }));
    if (this.#described) await this.#add(read);
    else this.#early.push(...read);
  }

  /** Sends these tracks; null sends nothing of that kind. No renegotiation. */
  async send(kind: Kind, track: MediaStreamTrack | null, share = false): Promise<void> {
    this.#tracks.set(kind, track);
    if (kind === "video") this.#encoder.sends(track, share);
    const sender = this.#senders.get(kind)?.sender;
    if (sender === undefined || this.#closed) return;
    if (kind === "video" && track !== null) track.contentHint = share ? "detail" : "motion";
    await sender.replaceTrack(track);
    await this.#encoder.apply();
  }

  sends(kind: Kind): MediaStreamTrack | null {
    return this.#tracks.get(kind) ?? null;
  }

  /** Sends a line; false if the channel is not open. */
  say(text: string, number: number): boolean {
    if (this.#chat.readyState !== "open") return false;
    this.#chat.send(packChat(text, number));
    return true;
  }

  /** Sends a frame, or drops it: there is no channel, or too much waits in it. */
  carry(data: Uint8Array): void {
    const channel = this.#frames;
    if (channel?.readyState === "open" && channel.bufferedAmount + data.length <= MAX_BACKLOG_BYTES)
      channel.send(data.slice());
  }

  /** The most that may go out as picture from now on, whatever the path carries. */
  async limit(limits: SendLimits): Promise<void> {
    await this.#encoder.limit(limits);
  }

  /** Looks now, tells the node what was counted, and lets the bit rate follow the path. */
  async look(): Promise<Look> {
    const seen = look(
      await this.pc.getStats(),
      performance.now(),
      [...this.#servers.values()].slice(0, MAX_SERVERS_SEEN),
    );
    this.#level = seen.audioLevel;
    if (!this.#closed) {
      this.owner.tell({
        t: "media-counters",
        session: this.id,
        streams: seen.streams,
        local: seen.local,
        remote: seen.remote,
        pairs: seen.pairs,
        servers: seen.servers,
      });
      this.#tellPath(seen);
      await this.#encoder.follow(seen.availableBps);
      if (seen.audioSamples > 0) this.#firstFrame("audio");
      if ((seen.streams.find((s) => s.kind === "video")?.frames_decoded ?? 0) > 0)
        this.#firstFrame("video");
    }
    return seen;
  }

  /** The peer may be gone: true packets must come within half a second. */
  async suspect(): Promise<void> {
    const before = look((await this.pc.getStats()) as never, 0, []);
    await new Promise((done) => setTimeout(done, SUSPECT_MS));
    if (this.#closed || !this.connected) return;
    const after = look((await this.pc.getStats()) as never, 0, []);
    if (after.packetsIn === before.packetsIn) this.#pathLost();
  }

  close(): void {
    this.#closed = true;
    if (this.#lostTimer !== null) clearTimeout(this.#lostTimer);
    this.pc.close();
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────────
  #openFrames(): void {
    const channel = (this.#frames = this.pc.createDataChannel(FRAMES_LABEL, { negotiated: true, id: 1, ordered: true }));
    channel.binaryType = "arraybuffer";
    channel.onmessage = (event: MessageEvent<unknown>) => {
      if (!(event.data instanceof ArrayBuffer)) return;
      const size = event.data.byteLength;
      if (size > 0 && size <= MAX_CARRIED)
        this.owner.tell({ t: "carried", session: this.id, data: new Uint8Array(event.data) });
    };
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<void> {
    await this.pc.setLocalDescription(description);
    const sdp = this.pc.localDescription?.sdp ?? description.sdp ?? "";
    this.owner.tell({ t: "described", session: this.id, sdp });
    this.#flush(false);
  }

  async #ready(): Promise<void> {
    this.#described = true;
    await this.#encoder.soundFirst();
    await this.#add(this.#early.splice(0));
  }

  async #add(candidates: RTCIceCandidateInit[]): Promise<void> {
    for (const candidate of candidates) {
      try {
        await this.pc.addIceCandidate(candidate);
      } catch {
        // A candidate this browser cannot use (a name it does not resolve, say): others may do.
      }
    }
  }

  #candidate(candidate: RTCIceCandidate | null): void {
    if (candidate !== null && candidate.candidate !== "")
      this.#found.push({
        candidate: candidate.candidate,
        mid: candidate.sdpMid,
        index: candidate.sdpMLineIndex,
      });
    const url = (candidate as { url?: string } | null)?.url;
    if (url) this.#servers.set(kindOfServer(url), { kind: kindOfServer(url), worked: true, error: "" });
    // Those found before the description is out follow it.
    if (this.pc.localDescription !== null) this.#flush(candidate === null);
  }

  #flush(end: boolean): void {
    if (this.#closed || (this.#found.length === 0 && !end)) return;
    this.owner.tell({ t: "found", session: this.id, candidates: this.#found.splice(0, MAX_CANDIDATES), end });
  }

  #serverFailed(event: RTCPeerConnectionIceErrorEvent): void {
    const kind = kindOfServer(event.url);
    if (this.#servers.get(kind)?.worked) return;
    this.#servers.set(kind, { kind, worked: false, error: `${event.errorCode}`.slice(0, MAX_ERROR_CHARS) });
  }

  #state(): void {
    if (this.#closed) return;
    switch (this.pc.connectionState) {
      case "new":
      case "connecting":
        break;
      case "connected":
        if (this.#lostTimer !== null) clearTimeout(this.#lostTimer);
        this.#lostTimer = null;
        void this.#tellConnected();
        break;
      case "disconnected":
        this.#lostTimer ??= setTimeout(() => this.#pathLost(), LOST_AFTER);
        break;
      case "failed":
      case "closed":
        if (this.connected) this.#pathLost();
        else
          this.owner.tell({
            t: "media-failed",
            session: this.id,
            why: "No path between the two browsers worked.",
          });
        break;
    }
    this.owner.changed(this);
  }

  async #tellConnected(): Promise<void> {
    const seen = await this.look();
    if (this.#closed || this.pc.connectionState !== "connected") return;
    this.connected = true;
    this.lost = false;
    this.#path = null;
    this.#tellPath(seen);
    this.owner.changed(this);
  }

  /**
   * NOTE: the browser may move to another pair later, and learns only from the other side's
   * signaling that an address its packets come from is a relay's.
   */
  #tellPath(seen: Look): void {
    const path = seen.path ?? "host";
    const server = seen.server?.slice(0, MAX_SERVER_CHARS) ?? null;
    if (!this.connected || this.lost || this.#path === `${path} ${server}`) return;
    this.#path = `${path} ${server}`;
    this.owner.tell({ t: "media-connected", session: this.id, path, server });
  }

  #pathLost(): void {
    this.#lostTimer = null;
    if (this.#closed || this.lost) return;
    this.lost = true;
    this.owner.tell({ t: "media-path-lost", session: this.id });
    this.owner.changed(this);
  }

  #firstFrame(kind: Kind): void {
    if (this.#first.has(kind)) return;
    this.#first.add(kind);
    this.owner.tell({ t: "media-first-frame", session: this.id, kind });
  }

  /** The screen decoded a picture: told at once, not at the next look. */
  firstPicture(): void {
    this.#firstFrame("video");
  }
}

/** ``stun``, ``turn/udp``, ``turn/tcp`` or ``turn/tls``, as reports name servers. */
export function kindOfServer(url: string): string {
  if (url.startsWith("turns:")) return "turn/tls";
  if (url.startsWith("turn:")) return /transport=tcp/.test(url) ? "turn/tcp" : "turn/udp";
  return "stun";
}
