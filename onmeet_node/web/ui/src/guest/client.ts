// The guest's own small node: the host's messages become what the page's media is told, and back.
// It plays the node's part of core/client.ts, so that app and guest page share the call module.
import { Client, RefusedError, type Question } from "../core/client.js";
import type { GuestLink } from "../core/link.js";
import type { CallShown, FromNode, FromPage, Kind, MediaPath } from "../core/messages.js";
import type { Bytes } from "../core/noise.js";
import { join } from "../core/noise.js";
import { fingerprint, sas, sorted } from "../core/sas.js";
import { Line, type LineBrowser, type LineEnd } from "./line.js";
import { hex, type FromHost, type TurnServer } from "./wire.js";

/** Where a guest is on the way into a call and out of it. */
export type Stage =
  | { at: "opening" }
  | { at: "door" }
  | { at: "knocking"; state: "sent" | "delivered" | "shown" | "busy" }
  | { at: "in" }
  | { at: "denied"; reason: string }
  | { at: "failed"; why: LineEnd }
  | { at: "over"; reason: string; seconds: number };

/** How long a call, or a knock, outlives its line. */
const PATIENCE = 45_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 5_000;
/** For media to come up again, or at all. */
const MEDIA_PATIENCE = 30_000;
const PAGE = 1;
/** Ends of a line that another try does not mend. */
const FINAL: ReadonlySet<LineEnd> = new Set(["no-door", "tampered", "malformed"]);

interface MediaLeg {
  readonly session: number;
  readonly generation: number;
  readonly ours: boolean;
  local: string | null;
  remote: string | null;
  connected: boolean;
  candidates: FoundCandidates[];
}
type FoundCandidates = Extract<FromPage, { t: "found" }>;

/** A page without a node behind it. */
export class NoNode extends Client {
  constructor() {
    const none = () => {
      throw new Error("a guest has no node");
    };
    super({
      connect: none,
      fetch: none,
      storage: { getItem: () => null, setItem: () => undefined, removeItem: () => undefined },
      takeCode: () => null,
      later: none,
      language: "en",
    });
  }
}

export class GuestClient extends NoNode {
  stage: Stage = { at: "opening" };
  host: string | null = null;
  title = "";
  knockNeeded = true;
  name = "";
  #line: Line | null = null;
  #ticket: Bytes | undefined;
  #guest: Bytes | null = null;
  #servers: readonly TurnServer[] = [];
  #call: Bytes | null = null;
  #shown: CallShown | null = null;
  #kinds: readonly Kind[] = ["audio", "video"];
  #legs: MediaLeg[] = [];
  #sessions = 0;
  #top = -1;
  #accepted = false;
  #broken: number | null = null;
  #wait = FIRST_WAIT;
  #mediaTimer: ReturnType<typeof setTimeout> | null = null;
  /** Told when a call is about to begin, with its id, before any device is opened for it. */
  onCall: (call: string) => void = () => undefined;
  onStage: (stage: Stage) => void = () => undefined;

  constructor(
    readonly link: GuestLink,
    private readonly browser: LineBrowser,
    private readonly later: (run: () => void, ms: number) => unknown,
    private readonly random: (bytes: number) => Bytes,
  ) {
    super();
    this.take({ t: "welcome", version: 0, page: PAGE, release: "", keyring: false } as unknown as FromNode);
  }

  // ── what a person does ────────────────────────────────────────────────────────────────────────
  override async start(): Promise<void> {
    this.#open();
  }

  knock(name: string, kinds: readonly Kind[]): void {
    this.name = name;
    this.#kinds = kinds;
    this.#stage({ at: "knocking", state: "sent" });
    if (this.#line?.open === true) this.#line.say({ t: "knock", name });
    else if (this.#line === null) this.#open();
  }

  /** Takes the knock back, or leaves the call; nothing of it is kept. */
  leave(reason: "hung-up" | "cancelled" = "hung-up"): void {
    if (this.#call !== null) this.#line?.say({ t: "hangup", call: this.#call, reason: "normal" });
    this.#finish({ at: "over", reason: this.#call === null ? "cancelled" : reason, seconds: this.#seconds() });
  }

  /** After an end: at the door once more, with fresh keys. */
  again(): void {
    this.#broken = null;
    this.#stage({ at: "opening" });
    this.#open();
  }

  override ask(question: Question): Promise<never> {
    if (question.t === "change-call" && question.action === "hang-up") {
      this.leave();
      return Promise.resolve({ t: "done", id: 0 } as never);
    }
    return Promise.reject(new RefusedError("NotAGuests", ""));
  }

  // ── the line ──────────────────────────────────────────────────────────────────────────────────
  #open(): void {
    const line: Line = new Line(
      this.link,
      {
        heard: (message) => this.#heard(message),
        ended: (why) => {
          if (this.#line === line) this.#lineEnded(why);
        },
      },
      this.browser,
    );
    this.#line = line;
  }

  #lineEnded(why: LineEnd): void {
    this.#line = null;
    if (this.#call !== null && why === "tampered") return this.#over("tampered");
    if (this.#call !== null && why === "bye") return this.#over("peer-hung-up");
    const waiting = this.stage.at === "knocking" || this.stage.at === "in";
    this.#broken ??= this.browser.now();
    const patient = this.browser.now() - this.#broken < PATIENCE;
    if (!waiting || !patient || (FINAL.has(why) && this.#call === null)) {
      if (this.#call !== null) return this.#over("connection-lost");
      if (this.stage.at === "denied" || this.stage.at === "over") return;
      return this.#finish({ at: "failed", why });
    }
    if (this.#call !== null) this.#show({ state: "reconnecting" });
    this.later(() => {
      if (this.#line === null && (this.stage.at === "knocking" || this.stage.at === "in")) this.#open();
    }, this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #heard(message: FromHost): void {
    switch (message.t) {
      case "welcome":
        this.host = message.name;
        this.title = message.title;
        this.knockNeeded = message.knock;
        if (this.stage.at === "opening") this.#stage({ at: "door" });
        else if (this.stage.at === "knocking" || this.stage.at === "in")
          this.#line?.say({ t: "knock", name: this.name, ticket: this.#ticket });
        break;
      case "wait":
        if (this.stage.at === "knocking") this.#stage({ at: "knocking", state: message.state });
        break;
      case "admit":
        this.#admitted(message.guest, message.ticket, message.servers);
        break;
      case "deny":
        if (this.#call !== null && message.reason === "removed") this.#over("removed");
        else this.#finish({ at: "denied", reason: message.reason });
        break;
      default:
        if ("call" in message && this.#call !== null && message.call === hex(this.#call)) this.#about(message);
    }
  }

  #admitted(guest: Bytes, ticket: Bytes, servers: readonly TurnServer[]): void {
    this.#broken = null;
    this.#wait = FIRST_WAIT;
    this.#ticket = ticket;
    this.#guest = guest;
    this.#servers = servers;
    if (this.#call === null) this.#begin();
    else this.#sayAgain();
  }

  // ── the call ──────────────────────────────────────────────────────────────────────────────────
  #begin(): void {
    const call = (this.#call = this.random(16));
    this.onCall(hex(call));
    this.#shown = {
      call: hex(call),
      identity: "",
      name: this.host ?? "",
      outgoing: true,
      state: "connecting",
      ring: null,
      kinds: [...this.#kinds],
      began: Math.floor(Date.now() / 1_000),
      answered: null,
      path: null,
      region: null,
      sas: null,
      page: PAGE,
      session: null,
      peer_media: null,
    };
    this.#stage({ at: "in" });
    this.#show({});
    this.#offer(0);
    this.#expectMedia();
  }

  #offer(generation: number): void {
    const leg = this.#leg(generation, true);
    this.take({ t: "make-offer", session: leg.session });
  }

  #leg(generation: number, ours: boolean): MediaLeg {
    const pending = this.#legs.find((leg) => !leg.connected);
    if (pending !== undefined) this.#closeLeg(pending);
    const leg: MediaLeg = {
      session: ++this.#sessions,
      generation,
      ours,
      local: null,
      remote: null,
      connected: false,
      candidates: [],
    };
    this.#top = generation;
    this.#legs.push(leg);
    this.take({
      t: "open-media",
      session: leg.session,
      call: hex(this.#call!),
      kinds: this.#kinds,
      servers: this.#servers,
      relay_only: false,
    } as FromNode);
    this.#show({ session: leg.session });
    return leg;
  }

  #closeLeg(leg: MediaLeg): void {
    this.#legs = this.#legs.filter((one) => one !== leg);
    this.take({ t: "close-media", session: leg.session });
  }

  /** A new peer connection after a path that was lost, ours to offer: odd generations. */
  #reoffer(): void {
    if (this.#call === null || this.#top >= 65_000) return;
    this.#show({ state: "reconnecting" });
    this.#offer(2 * (Math.floor(Math.max(this.#top, 0) / 2) + 1) + 1);
    this.#expectMedia();
  }

  #expectMedia(): void {
    if (this.#mediaTimer !== null) clearTimeout(this.#mediaTimer);
    this.#mediaTimer = setTimeout(() => {
      if (this.#call === null || this.#legs.some((leg) => leg.connected)) return;
      this.#line?.say({ t: "hangup", call: this.#call, reason: "media-failed" });
      this.#over(this.#shown?.answered === null ? "media-failed" : "connection-lost");
    }, MEDIA_PATIENCE);
  }

  /** The line is back: what the host may have missed, once more. */
  #sayAgain(): void {
    const leg = this.#legs.find((one) => one.generation === this.#top);
    if (leg !== undefined && leg.local !== null && !leg.connected && (!leg.ours || leg.remote === null)) this.#sayLocal(leg);
    if (this.#legs.some((one) => one.connected)) this.#show({ state: "connected" });
  }

  #sayLocal(leg: MediaLeg): void {
    const call = this.#call!;
    const sdp = leg.local!;
    const { generation } = leg;
    if (!leg.ours) this.#line?.say({ t: "answer", call, generation, sdp });
    else if (generation === 0) this.#line?.say({ t: "invite", call, kinds: this.#kinds, sdp });
    else this.#line?.say({ t: "renegotiate", call, generation, sdp });
    for (const found of leg.candidates) this.#sayFound(leg, found);
  }

  #sayFound(leg: MediaLeg, found: FoundCandidates): void {
    const { candidates, end } = found;
    this.#line?.say({
      t: "candidates",
      call: this.#call!,
      generation: leg.generation,
      candidates: candidates ?? [],
      end: end ?? false,
    });
  }

  #about(message: FromHost): void {
    switch (message.t) {
      case "accept": {
        const first = !this.#accepted;
        this.#accepted = true;
        if (first) this.#show({ answered: Math.floor(Date.now() / 1_000) });
        for (const leg of this.#legs) if (leg.local !== null) this.#attach(leg);
        break;
      }
      case "answer": {
        const leg = this.#legs.find((one) => one.generation === message.generation && one.ours);
        if (leg === undefined || leg.remote !== null) break;
        leg.remote = message.sdp;
        this.take({ t: "take-answer", session: leg.session, sdp: message.sdp });
        void this.#authenticate(leg);
        break;
      }
      case "renegotiate": {
        const known = this.#legs.find((one) => one.generation === message.generation);
        if (known?.local != null) this.#sayLocal(known);
        // Of all offers the greatest generation counts (call/leg.py).
        if (known !== undefined || message.generation <= this.#top || message.generation % 2 !== 0) break;
        const leg = this.#leg(message.generation, false);
        leg.remote = message.sdp;
        this.take({ t: "take-offer", session: leg.session, sdp: message.sdp });
        if (!this.#legs.some((one) => one.connected)) this.#expectMedia();
        break;
      }
      case "candidates": {
        const leg = this.#legs.find((one) => one.generation === message.generation);
        if (leg !== undefined)
          this.take({ t: "take-candidates", session: leg.session, candidates: [...message.candidates], end: false });
        break;
      }
      case "media-state":
        this.#show({
          peer_media: { muted: message.muted, camera_off: message.camera_off, sharing: message.sharing },
        });
        break;
      case "decline":
        this.#over(message.reason === "busy" ? "peer-busy" : "peer-declined");
        break;
      case "hangup":
        this.#over(
          message.reason === "media-failed" || message.reason === "connection-lost" || message.reason === "shutdown"
            ? message.reason
            : "peer-hung-up",
        );
        break;
      default:
        break;
    }
  }

  #attach(leg: MediaLeg): void {
    this.take({ t: "attach-media", session: leg.session, kinds: [...this.#kinds] });
  }

  async #authenticate(leg: MediaLeg): Promise<void> {
    const [mine, theirs] = [fingerprint(leg.local ?? ""), fingerprint(leg.remote ?? "")];
    if (mine === null || theirs === null || this.#guest === null) return this.#over("media-failed");
    const binding = join(...sorted(this.link.key, this.#guest));
    this.#show({ sas: await sas(binding, mine, theirs) });
  }

  /** What the page's media says: the node's page_endpoint.py takes the same messages. */
  override tell(message: FromPage): void {
    if ("session" in message) {
      const leg = this.#legs.find((one) => one.session === message.session);
      if (leg !== undefined && this.#call !== null) this.#media(leg, message);
    } else if (message.t === "tell-media" && this.#call !== null) {
      const { muted, camera_off, sharing } = message;
      this.#line?.say({ t: "media-state", call: this.#call, muted, camera_off, sharing });
    }
  }

  #media(leg: MediaLeg, message: FromPage): void {
    switch (message.t) {
      case "described":
        leg.local = message.sdp;
        this.#sayLocal(leg);
        if (this.#accepted) this.#attach(leg);
        if (!leg.ours) void this.#authenticate(leg);
        break;
      case "found":
        leg.candidates.push(message);
        if (leg.local !== null) this.#sayFound(leg, message);
        break;
      case "media-connected":
        leg.connected = true;
        for (const older of this.#legs.filter((one) => one.generation < leg.generation)) this.#closeLeg(older);
        this.#show({ state: "connected", path: message.path as MediaPath });
        break;
      case "media-path-lost":
      case "media-failed":
        leg.connected = false;
        this.#reoffer();
        break;
      default:
        break;
    }
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────
  #seconds(): number {
    const answered = this.#shown?.answered ?? null;
    return answered === null ? 0 : Math.max(0, Math.round(Date.now() / 1_000 - answered));
  }

  #over(reason: string): void {
    this.#finish({ at: "over", reason, seconds: this.#seconds() });
  }

  /** The call is over: nothing of it stays in this page. */
  #finish(stage: Stage): void {
    const line = this.#line;
    this.#line = null;
    line?.close();
    if (this.#mediaTimer !== null) clearTimeout(this.#mediaTimer);
    for (const leg of [...this.#legs]) this.#closeLeg(leg);
    this.#call = this.#shown = this.#guest = this.#mediaTimer = this.#broken = null;
    this.#ticket = undefined;
    this.#servers = [];
    this.#top = -1;
    this.#accepted = false;
    this.#wait = FIRST_WAIT;
    if (stage.at === "over") this.name = "";
    this.take({ t: "calls", calls: [] });
    this.#stage(stage);
  }

  #show(change: Partial<CallShown>): void {
    if (this.#shown === null) return;
    this.#shown = { ...this.#shown, ...change };
    this.take({ t: "calls", calls: [this.#shown] });
  }

  #stage(stage: Stage): void {
    this.stage = stage;
    this.onStage(stage);
  }
}

