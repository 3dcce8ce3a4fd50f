// The guest's own small node: the host's messages become what the page's media is told, and back.
// It plays the node's part of node/client.ts, so that app and guest page share the call module.
import { Client, RefusedError, type KeepChange, type Question } from "../node/client.js";
import type { GuestLink } from "../protocol/guest-link.js";
import type { CallShown, FromNode, FromPage, Kind, RoomShown } from "../node/messages.js";
import type { Bytes } from "../protocol/noise.js";
import { join } from "../protocol/noise.js";
import { fingerprint, sas, sorted } from "../protocol/sas.js";
import { Call } from "./call.js";
import { guarded } from "../node/stores.js";
import { Places } from "./place.js";
import { Line, type LineBrowser, type LineEnd } from "./line.js";
import { hex, type FromHost, type TurnServer } from "../protocol/guest-messages.js";

/** The line is away, and comes back by itself: why, and how often that was tried by now. */
export interface Trying {
  readonly why: LineEnd;
  readonly tries: number;
}

/** Where a guest is on the way into a call and out of it. `trying`: the line is away meanwhile. */
export type Stage =
  | { at: "opening" }
  | { at: "door"; trying?: Trying }
  | { at: "knocking"; state: "sent" | "delivered" | "shown" | "busy"; trying?: Trying }
  | { at: "in" }
  | { at: "denied"; reason: string }
  | { at: "failed"; why: LineEnd; trying?: Trying }
  | { at: "over"; reason: string; seconds: number };

/** How long a call outlives its line and its media. Who waits, waits for as long as they like. */
export const PATIENCE = 45_000;
const FIRST_WAIT = 500;
/** Between tries in a call; and of somebody who waits, whose host may be away for long. */
const LONGEST_WAIT = 5_000;
const LONGEST_AT_DOOR = 12_000;
/** For a gateway that said that too many come (`tries_per_minute`). */
const CROWDED_WAIT = 30_000;
export const PAGE = 1;
/** Ends of a line that another try does not mend. */
const FINAL: ReadonlySet<LineEnd> = new Set(["tampered", "malformed"]);

/** A visit to a room: what the part of the page that rooms need does (room/visit.ts). */
export interface RoomVisit {
  /** The line is open, to somebody who has this key in that room. */
  lineOpen(room: Bytes, host: Bytes): void;
  lineEnded(why: LineEnd): void;
  carried(data: Bytes): void;
  denied(reason: string): void;
  ask(question: Question): Promise<FromNode>;
  tell(message: FromPage): void;
  leave(): void;
}

/** What a visit needs of the page. */
export interface RoomPage {
  readonly browser: Pick<LineBrowser, "now" | "key">;
  openLine(): void;
  closeLine(): void;
  /** For who is not in yet: what to show while the line is away, or null if it stays away. */
  trying(why: LineEnd): Trying | null;
  /** This visit led nowhere, and another takes its place: the guest still waits. */
  renew(): void;
  carry(data: Bytes): void;
  take(message: FromNode): void;
  /** Shows this of the room. */
  show(room: RoomShown): void;
  stage(stage: Stage): void;
  /** The visit is over. */
  finish(stage: Stage): void;
  number(): number;
  after(ms: number, run: () => void): () => void;
  random(bytes: number): Bytes;
}

export interface Visitor {
  readonly room: Bytes;
  readonly host: Bytes;
  readonly name: string;
  readonly kinds: readonly Kind[];
}

export type VisitRoom = (page: RoomPage, visitor: Visitor) => Promise<RoomVisit>;

/** Parts of the page that are loaded once it is known which of them is needed. */
export interface Parts {
  /** The screen of a call. */
  call(): Promise<unknown>;
  /** What a room needs, its screen included. */
  room(): Promise<VisitRoom>;
}

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
  /** The link was for one guest, and that was this one. */
  used = false;
  #once = false;
  name: string;
  #draft: { text: string; to: string };
  /** The link leads into a room. */
  toRoom = false;
  room: RoomShown | null = null;
  #line: Line | null = null;
  #ticket: Bytes | undefined;
  #guest: Bytes | null = null;
  #servers: readonly TurnServer[] = [];
  #call: Call | null = null;
  #began = 0;
  #sas: string | null = null;
  #kinds: readonly Kind[] = ["audio", "video"];
  #sessions = 0;
  #broken: number | null = null;
  #wait = FIRST_WAIT;
  #tries = 0;
  /** When the host was proven to be at the other end of the line. */
  #met: number | null = null;
  /** Numbers what was planned last: one try at a time. */
  #planned = 0;
  /** The place is kept, although the call is over for this page. */
  #keeps = false;
  #returned = false;
  #door: Pick<Visitor, "room" | "host"> | null = null;
  #loaded: Partial<Record<keyof Parts, Promise<unknown>>> = {};
  #visit: RoomVisit | null = null;
  /** Numbers what a person began; what was begun before is not gone on with. */
  #visits = 0;
  /** Told when a call is about to begin, or a room, with its id, before any device is opened for it. */
  onCall: (call: string) => void = () => undefined;
  onStage: (stage: Stage) => void = () => undefined;
  /** Told when the link leads nowhere any more. */
  onUsed: () => void = () => undefined;
  /** Told when what is shown of a room is different. */
  onRoom: () => void = () => undefined;

  constructor(
    readonly link: GuestLink,
    private readonly browser: LineBrowser,
    private readonly later: (run: () => void, ms: number) => unknown,
    private readonly random: (bytes: number) => Bytes,
    private readonly parts: Parts,
    private readonly after = (ms: number, run: () => void): (() => void) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    /** Without: as a page whose browser stores nothing. */
    readonly places = new Places(guarded(() => sessionStorage), hex(link.door)),
  ) {
    super();
    this.name = places.before?.name ?? "";
    this.#draft = { text: places.before?.draft ?? "", to: places.before?.draftTo ?? "" };
    this.take({ t: "welcome", version: 0, page: PAGE, release: "", keyring: false } as unknown as FromNode);
  }

  // ── what a person does ────────────────────────────────────────────────────────────────────────
  override async start(): Promise<void> {
    this.#open();
  }

  /** What is typed as a name so far. */
  nameTyped(name: string): void {
    this.name = name;
    this.places.put({ name });
  }

  knock(name: string, kinds: readonly Kind[]): void {
    this.name = name;
    this.places.put({ name, waits: true, voice: !kinds.includes("video") });
    this.#kinds = kinds;
    this.#stage({ at: "knocking", state: "sent" });
    if (this.#line === null) this.#open();
    else if (this.#line.open) this.#ask();
  }

  /** Takes the knock back, or leaves the call; nothing of it is kept. */
  leave(reason: "hung-up" | "cancelled" = "hung-up"): void {
    if (this.#visit !== null) return this.#visit.leave();
    const call = this.#call;
    call?.hangUp();
    this.#finish({ at: "over", reason: call === null ? "cancelled" : reason, seconds: call?.seconds ?? 0 });
  }

  /** The page goes, perhaps to be there again in a moment. */
  pageGone(): void {
    const { at } = this.stage;
    if (at !== "knocking" && at !== "in") return;
    this.places.leave();
    this.#keeps = true;
    this.leave();
  }

  // ── what outlives the page ────────────────────────────────────────────────────────────────────
  override keep(target: string, change: KeepChange): void {
    super.keep(target, change);
    if (this.stage.at !== "in" && this.stage.at !== "knocking") return; // it is over
    const { muted, camera_off, draft, draft_to } = change;
    if (muted != null && camera_off != null) this.places.put({ muted, cameraOff: camera_off });
    if (draft == null) return;
    this.#draft = { text: draft, to: draft_to ?? "" };
    this.places.put({ draft, draftTo: this.#draft.to });
  }

  override draft(): { text: string; to: string } {
    return this.#draft;
  }

  /** After an end: at the door once more, with fresh keys. */
  again(): void {
    this.#broken = null;
    this.#line?.close();
    this.#stage({ at: "opening" });
    this.#open();
  }

  /** The network is back, say: the next try need not wait. */
  tryNow(): void {
    if (this.#line === null && this.#awaits && (this.#visit === null || this.stage.at !== "in")) this.#open();
  }

  /** The line is wanted, now or when it can be had. */
  get #awaits(): boolean {
    const { stage } = this;
    return stage.at === "knocking" || stage.at === "in" || stage.at === "door" || (stage.at === "failed" && stage.trying !== undefined);
  }

  override ask(question: Question): Promise<never> {
    if (this.#visit !== null) return this.#visit.ask(question) as Promise<never>;
    if (question.t === "change-call" && question.action === "hang-up") {
      this.leave();
      return Promise.resolve({ t: "done", id: 0 } as never);
    }
    return Promise.reject(new RefusedError("NotAGuests", ""));
  }

  // ── the line ──────────────────────────────────────────────────────────────────────────────────
  #open(): void {
    this.#planned += 1;
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
    const was = this.#met !== null;
    // One that was good is looked for at once; one that goes as soon as it comes, is not.
    if (this.#met !== null && this.browser.now() - this.#met >= LONGEST_WAIT) this.#wait = FIRST_WAIT;
    this.#met = null;
    if (this.#visit !== null) return this.#visit.lineEnded(why);
    const { stage } = this;
    if (stage.at === "denied" || stage.at === "over") return;
    if (this.#call !== null && why === "tampered") return this.#over("tampered");
    if (this.#call !== null && why === "bye") return this.#over("peer-hung-up");
    if (this.#call?.connectedSession != null) {
      // Sound and picture need no line. It may be gone because the host is, though.
      this.#broken = null;
      if (was) this.#call.suspect();
    } else if (this.#call !== null) {
      this.#broken ??= this.browser.now();
      if (this.browser.now() - this.#broken >= PATIENCE) return this.#over("connection-lost");
    } else {
      const trying = this.#trying(why);
      if (trying === null) return this.#finish({ at: "failed", why });
      if (stage.at === "door") this.#stage({ at: "door", trying });
      else if (stage.at === "knocking") this.#stage({ at: "knocking", state: "sent", trying });
      else this.#stage({ at: "failed", why, trying });
    }
    const plan = ++this.#planned;
    this.later(() => {
      if (plan === this.#planned && this.#line === null && this.#awaits) this.#open();
    }, why === "too-many" ? CROWDED_WAIT : this.#wait);
    this.#wait = Math.min(this.#wait * 2, this.#call === null ? LONGEST_AT_DOOR : LONGEST_WAIT);
  }

  /** A door that is not there may be there in a moment: a gateway or a host that begins again. */
  #trying(why: LineEnd): Trying | null {
    const { expires } = this.link;
    const closed = why === "no-door" && (this.used || (expires !== null && expires * 1_000 < Date.now()));
    return FINAL.has(why) || closed ? null : { why, tries: ++this.#tries };
  }

  #heard(message: FromHost): void {
    switch (message.t) {
      case "welcome":
        this.host = message.name;
        this.title = message.title;
        this.knockNeeded = message.knock;
        this.#once = message.once;
        this.#door = message.room === null || message.host === null ? null : { room: message.room, host: message.host };
        this.toRoom = this.#door !== null;
        void this.#load(this.toRoom ? "room" : "call");
        this.#tries = 0;
        this.#met = this.browser.now();
        if (this.stage.at === "opening" || this.stage.at === "failed") this.#atDoor();
        else if (this.stage.at === "door") this.#stage({ at: "door" });
        else if (this.stage.at === "knocking" || this.stage.at === "in") {
          if (this.stage.at === "knocking") this.#stage({ at: "knocking", state: "sent" });
          this.#ask();
        }
        break;
      case "wait":
        this.#wait = FIRST_WAIT;
        if (this.stage.at === "knocking") this.#stage({ at: "knocking", state: message.state });
        break;
      case "admit":
        this.#admitted(message.guest, message.ticket, message.servers);
        break;
      case "carry":
        this.#visit?.carried(message.data);
        break;
      case "deny":
        if (this.#visit !== null) this.#visit.denied(message.reason);
        else if (this.#call !== null && message.reason === "removed") this.#over("removed");
        else this.#finish({ at: "denied", reason: message.reason });
        break;
      default:
        if ("call" in message && this.#call !== null && message.call === hex(this.#call.id)) this.#call.heard(message);
    }
  }

  /** At the door, for the first time, or on the way back from a reload. */
  #atDoor(): void {
    const returns = this.places.returns && !this.#returned && this.name !== "";
    this.#returned = true;
    if (returns) this.knock(this.name, this.places.before?.voice ? ["audio"] : ["audio", "video"]);
    else this.#stage({ at: "door" });
  }

  /** Asks whoever is behind the door to be let in, or says who we were. */
  #ask(): void {
    const door = this.#door;
    if (door === null) this.#line?.say({ t: "knock", name: this.name, ticket: this.#ticket });
    else if (this.#visit !== null) this.#visit.lineOpen(door.room, door.host);
    else void this.#enter(++this.#visits);
  }

  #admitted(guest: Bytes, ticket: Bytes, servers: readonly TurnServer[]): void {
    this.#broken = null;
    this.#wait = FIRST_WAIT;
    this.#ticket = ticket;
    this.#guest = guest;
    this.#servers = servers;
    if (this.#once && !this.used) {
      this.used = true;
      this.onUsed();
    }
    if (this.#call === null) void this.#begin(++this.#visits);
    else this.#call.sayAgain();
  }

  /** Loads a part of the page, once. What fails to load ends in `lost`, and is tried again. */
  #load<P extends keyof Parts>(part: P): ReturnType<Parts[P]> {
    const loaded = (this.#loaded[part] ??= this.parts[part]());
    loaded.then(
      () => this.onRoom(),
      () => delete this.#loaded[part],
    );
    return loaded as ReturnType<Parts[P]>;
  }

  // ── a room ────────────────────────────────────────────────────────────────────────────────────
  async #enter(visit: number): Promise<void> {
    const visitor = { ...this.#door!, name: this.name, kinds: this.#kinds };
    const wanted = () => visit === this.#visits && this.stage.at === "knocking";
    try {
      const enter = await this.#load("room");
      if (!wanted()) return;
      const made = await enter(this.#roomPage(visit), visitor);
      if (!wanted()) return made.leave();
      this.#visit = made;
    } catch {
      if (wanted()) this.#finish({ at: "failed", why: "lost" });
      return;
    }
    if (this.#line?.open === true) this.#visit.lineOpen(visitor.room, visitor.host);
    else this.#visit.lineEnded("lost");
  }

  #roomPage(visit: number): RoomPage {
    return {
      browser: this.browser,
      openLine: () => {
        if (this.#line === null) this.#open();
      },
      closeLine: () => {
        this.#line?.close();
        this.#line = null;
      },
      trying: (why) => this.#trying(why),
      renew: () => {
        if (visit !== this.#visits) return;
        this.#visit = null;
        void this.#enter(++this.#visits);
      },
      carry: (data) => this.#line?.say({ t: "carry", data }),
      take: (message) => this.take(message),
      show: (room) => {
        if (this.room === null) this.onCall(room.room);
        this.room = room;
        this.take({ t: "rooms", rooms: [room], invitations: [], meetings: [] });
        this.onRoom();
      },
      stage: (stage) => this.#stage(stage),
      finish: (stage) => {
        if (visit === this.#visits) this.#finish(stage);
      },
      number: () => ++this.#sessions,
      after: this.after,
      random: this.random,
    };
  }

  // ── the call ──────────────────────────────────────────────────────────────────────────────────
  async #begin(visit: number): Promise<void> {
    try {
      await this.#load("call");
    } catch {
      if (visit === this.#visits) this.#finish({ at: "failed", why: "lost" });
    }
    if (visit !== this.#visits) return;
    const id = this.random(16);
    this.onCall(hex(id));
    const call: Call = new Call(id, true, true, this.#kinds, {
      say: (message) => this.#line?.say(message),
      take: (message) => this.take(message),
      number: () => ++this.#sessions,
      opening: () => ({
        servers: [...this.#servers],
        relay_only: false,
        room: null,
        carry: false,
      }),
      changed: () => this.#show(),
      agreed: (local, remote) => void this.#authenticate(local, remote),
      over: (reason) => this.#over(reason),
      after: this.after,
    });
    this.#call = call;
    this.#began = Math.floor(Date.now() / 1_000);
    this.#stage({ at: "in" });
    this.#show();
    call.begin();
  }

  async #authenticate(local: string, remote: string): Promise<void> {
    const [mine, theirs] = [fingerprint(local), fingerprint(remote)];
    if (mine === null || theirs === null || this.#guest === null) return this.#over("media-failed");
    this.#sas = await sas(join(...sorted(this.link.key, this.#guest)), mine, theirs);
    this.#show();
  }

  override tell(message: FromPage): void {
    if (message.t === "keep") return; // there is no other page
    if (this.#visit !== null) this.#visit.tell(message);
    else if ("session" in message) this.#call?.media(message);
    else if (message.t === "tell-media") {
      const { muted, camera_off, sharing } = message;
      this.#call?.tellMedia({ muted, camera_off, sharing });
    }
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────
  #over(reason: string): void {
    this.#finish({ at: "over", reason, seconds: this.#call?.seconds ?? 0 });
  }

  /** The call is over: nothing of it stays in this page. */
  #finish(stage: Stage): void {
    const line = this.#line;
    this.#line = null;
    line?.close();
    this.#call?.close();
    this.#visits += 1;
    this.#planned += 1;
    this.#tries = 0;
    this.#call = this.#visit = this.#guest = this.#sas = this.#broken = this.room = null;
    this.#ticket = undefined;
    this.#servers = [];
    this.#wait = FIRST_WAIT;
    if (stage.at === "over") {
      this.name = "";
      this.#draft = { text: "", to: "" };
    }
    this.take({ t: "calls", calls: [] });
    if (this.toRoom) this.take({ t: "rooms", rooms: [], invitations: [], meetings: [] });
    // What only failed goes on after a reload; what was decided, or is over, leaves nothing in the tab.
    if (stage.at === "failed") this.places.put({ waits: false, muted: null, cameraOff: null });
    else if (!this.#keeps) this.places.forget();
    this.#keeps = false;
    this.#stage(stage);
  }

  #show(): void {
    const call = this.#call;
    if (call === null) return;
    const shown: CallShown = {
      call: hex(call.id),
      identity: "",
      name: this.host ?? "",
      outgoing: true,
      state: call.state,
      ring: null,
      kinds: [...this.#kinds],
      began: this.#began,
      answered: call.answered,
      path: call.path,
      region: null,
      sas: this.#sas,
      page: PAGE,
      session: call.session,
      peer_media: call.peerMedia,
    };
    this.take({ t: "calls", calls: [shown] });
  }

  #stage(stage: Stage): void {
    this.stage = stage;
    this.onStage(stage);
  }
}
