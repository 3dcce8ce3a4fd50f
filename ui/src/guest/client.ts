// The guest's own small node: the host's messages become what the page's media is told, and back.
// It plays the node's part of node/client.ts, so that app and guest page share the call module. Its
// parts: the line to the host (host-line.ts), and the call (host-call.ts) or the visit to a room
// (room/visit.ts) that the link leads into.
import { RefusedError, type KeepChange, type Question } from "../node/client.js";
import type { FromNode, FromPage, Kind, RoomShown } from "../node/messages.js";
import { guarded } from "../node/stores.js";
import type { GuestLink } from "../protocol/guest-link.js";
import { hex, type FromHost, type TurnServer } from "../protocol/guest-messages.js";
import type { Bytes } from "../protocol/bytes.js";
import { HostCall } from "./host-call.js";
import { HostLine, LONGEST_WAIT } from "./host-line.js";
import type { LineBrowser, LineEnd } from "./line.js";
import { NoNode } from "./no-node.js";
import { Places } from "./place.js";
import type { GuestVisit } from "./room/visit.js";
import { PAGE, type GuestOptions, type Parts, type RoomPage, type Stage, type Trying } from "./stage.js";
import { LONGEST_AT_DOOR, RECONNECT } from "../protocol/tables.js";

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
  #line: HostLine;
  #ticket: Bytes | undefined;
  #call: HostCall | null = null;
  #kinds: readonly Kind[] = ["audio", "video"];
  #sessions = 0;
  /** The place is kept, although the call is over for this page. */
  #keeps = false;
  #returned = false;
  #door: Pick<GuestOptions, "room" | "host"> | null = null;
  #loaded: Partial<Record<keyof Parts, Promise<unknown>>> = {};
  #visit: GuestVisit | null = null;
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
    later: (run: () => void, ms: number) => unknown,
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
    this.#line = new HostLine(link, browser, later, {
      heard: (message) => this.#heard(message),
      ended: (why, met) => this.#lineEnded(why, met),
      awaits: () => this.#awaits,
    });
    this.name = places.before?.name ?? "";
    this.#draft = { text: places.before?.draft ?? "", to: places.before?.draftTo ?? "" };
    this.take({ t: "welcome", version: 0, page: PAGE, release: "", keyring: false } as unknown as FromNode);
  }

  // ── what a person does ────────────────────────────────────────────────────────────────────────
  override async start(): Promise<void> {
    this.#line.begin();
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
    if (this.#line.open) this.#ask();
    else this.#line.begin();
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
    this.#line.close();
    this.#stage({ at: "opening" });
    this.#line.begin();
  }

  /** The network is back, say: the next try need not wait. */
  tryNow(): void {
    if (this.#awaits && (this.#visit === null || this.stage.at !== "in")) this.#line.begin();
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
  #lineEnded(why: LineEnd, met: boolean): void {
    if (this.#visit !== null) return this.#visit.line.ended(why);
    const { stage } = this;
    const call = this.#call;
    if (stage.at === "denied" || stage.at === "over") return;
    if (call !== null && why === "tampered") return this.#over("tampered");
    if (call !== null && why === "bye") return this.#over("peer-hung-up");
    if (call?.connected === true) {
      // Sound and picture need no line. It may be gone because the host is, though.
      call.broken = null;
      if (met) call.suspect();
    } else if (call !== null) {
      // Who waits, waits for as long as they like; a call outlives its line and its media for a while.
      call.broken ??= this.browser.now();
      if (this.browser.now() - call.broken >= RECONNECT) return this.#over("connection-lost");
    } else {
      const trying = this.#trying(why);
      if (trying === null) return this.#finish({ at: "failed", why });
      if (stage.at === "door") this.#stage({ at: "door", trying });
      else if (stage.at === "knocking") this.#stage({ at: "knocking", state: "sent", trying });
      else this.#stage({ at: "failed", why, trying });
    }
    this.#line.again(why, call === null ? LONGEST_AT_DOOR : LONGEST_WAIT);
  }

  #trying(why: LineEnd): Trying | null {
    return this.#line.trying(why, this.used);
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
        this.#line.met();
        if (this.stage.at === "opening" || this.stage.at === "failed") this.#atDoor();
        else if (this.stage.at === "door") this.#stage({ at: "door" });
        else if (this.stage.at === "knocking" || this.stage.at === "in") {
          if (this.stage.at === "knocking") this.#stage({ at: "knocking", state: "sent" });
          this.#ask();
        }
        break;
      case "wait":
        this.#line.answered();
        if (this.stage.at === "knocking") this.#stage({ at: "knocking", state: message.state });
        break;
      case "admit":
        this.#admitted(message.guest, message.ticket, message.servers);
        break;
      case "carry":
        this.#visit?.line.carried(message.data);
        break;
      case "deny":
        if (this.#visit !== null) this.#visit.line.denied(message.reason);
        else if (this.#call !== null && message.reason === "removed") this.#over("removed");
        else this.#finish({ at: "denied", reason: message.reason });
        break;
      default:
        this.#call?.heard(message);
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
    if (door === null) this.#line.say({ t: "knock", name: this.name, ticket: this.#ticket });
    else if (this.#visit !== null) this.#visit.line.opened(door.room, door.host);
    else void this.#enter(++this.#visits);
  }

  #admitted(guest: Bytes, ticket: Bytes, servers: readonly TurnServer[]): void {
    this.#line.answered();
    this.#ticket = ticket;
    if (this.#once && !this.used) {
      this.used = true;
      this.onUsed();
    }
    if (this.#call === null) void this.#begin(++this.#visits, guest, servers);
    else this.#call.admitted(guest, servers);
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
    const options = { ...this.#door!, name: this.name, kinds: this.#kinds };
    const wanted = () => visit === this.#visits && this.stage.at === "knocking";
    try {
      const enter = await this.#load("room");
      if (!wanted()) return;
      const made = await enter(this.#roomPage(visit), options);
      if (!wanted()) return made.leave();
      this.#visit = made;
    } catch {
      if (wanted()) this.#finish({ at: "failed", why: "lost" });
      return;
    }
    if (this.#line.open) this.#visit.line.opened(options.room, options.host);
    else this.#visit.line.ended("lost");
  }

  #roomPage(visit: number): RoomPage {
    return {
      browser: this.browser,
      openLine: () => this.#line.begin(),
      closeLine: () => this.#line.close(),
      trying: (why) => this.#trying(why),
      renew: () => {
        if (visit !== this.#visits) return;
        this.#visit = null;
        void this.#enter(++this.#visits);
      },
      carry: (data) => this.#line.say({ t: "carry", data }),
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
  async #begin(visit: number, guest: Bytes, servers: readonly TurnServer[]): Promise<void> {
    try {
      await this.#load("call");
    } catch {
      if (visit === this.#visits) this.#finish({ at: "failed", why: "lost" });
    }
    if (visit !== this.#visits) return;
    const id = this.random(16);
    this.onCall(hex(id));
    const call = (this.#call = new HostCall(id, guest, servers, {
      key: this.link.key,
      kinds: this.#kinds,
      name: () => this.host ?? "",
      say: (message) => this.#line.say(message),
      take: (message) => this.take(message),
      number: () => ++this.#sessions,
      after: this.after,
      over: (reason) => this.#over(reason),
    }));
    this.#stage({ at: "in" });
    call.begin();
  }

  override tell(message: FromPage): void {
    if (message.t === "keep") return; // there is no other page
    if (this.#visit !== null) this.#visit.tell(message);
    else this.#call?.tell(message);
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────
  #over(reason: string): void {
    this.#finish({ at: "over", reason, seconds: this.#call?.seconds ?? 0 });
  }

  /** The call is over: nothing of it stays in this page. */
  #finish(stage: Stage): void {
    this.#line.forget();
    this.#call?.close();
    this.#visits += 1;
    this.#call = this.#visit = this.room = null;
    this.#ticket = undefined;
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

  #stage(stage: Stage): void {
    this.stage = stage;
    this.onStage(stage);
  }
}
