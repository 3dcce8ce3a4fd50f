// The page's line to its node: one WebSocket that comes back by itself, snapshots, and requests.
import { pack, unpack } from "./codec.js";
import { Entrance, type EntranceSurroundings, type Entry } from "./entrance.js";
import {
  VERSION,
  type CallShown,
  type Code,
  type FromNode,
  type FromPage,
  type Guests,
  type Home,
  type Keep,
  type Keeper,
  type Kept,
  type Me,
  type News,
  type Over,
  type Person,
  type RoomLine,
  type RoomMuteAsked,
  type RoomOver,
  type RoomReaction,
  type Rooms,
  type Welcome,
} from "./messages.js";
import { MAX_DRAFT_CHARS } from "./limits.js";

export type Link = "connecting" | "open" | "lost" | "unauthorized" | "outdated";

/** A line of a room's chat, and when it came: Unix milliseconds. */
export type RoomChatLine = RoomLine & { readonly at: number };
export type Reaction = RoomReaction & { readonly at: number };

/** Everything the node told, and how the line to it is. A new object at every change. */
export interface AppState {
  readonly link: Link;
  /** How far this window's question to be let in is; null: it does not ask. */
  readonly entry: Entry | null;
  readonly welcome: Welcome | null;
  readonly home: Home | null;
  readonly me: Me | null;
  readonly people: readonly Person[];
  readonly codes: readonly Code[];
  readonly calls: readonly CallShown[];
  readonly guests: Guests;
  readonly over: Over | null;
  readonly news: readonly News[];
  readonly rooms: Rooms;
  /** Chat of each room, as long as we are in it. */
  readonly roomLines: ReadonlyMap<string, readonly RoomChatLine[]>;
  /** The last ones; whoever shows them lets them go after a moment. */
  readonly reactions: readonly Reaction[];
  readonly muteAsked: RoomMuteAsked | null;
  readonly roomOver: RoomOver | null;
}

/** The node refused a request; `kind` names why, `sentence` says what to do. */
export class RefusedError extends Error {
  constructor(
    readonly kind: string,
    readonly sentence: string,
  ) {
    super(sentence);
  }
}

/** The line broke before the answer came. */
export class LinkLost extends RefusedError {
  constructor() {
    super("LinkLost", "");
  }
}

type Numbered<M> = M extends unknown ? ("id" extends keyof M ? M : never) : never;
type Request = Numbered<FromPage>;
type WithoutId<R> = R extends Request ? Omit<R, "id"> : never;
export type Question = WithoutId<Request>;
type AnswerName = Extract<FromNode, { id: number }>["t"];

/** What of a call or a room shall outlive this page. */
export type KeepChange = Partial<Omit<Keep, "t" | "target">>;

/** What the client needs of the browser; tests give their own. */
export interface Surroundings extends EntranceSurroundings {
  connect(): WebSocket;
  later(run: () => void, ms: number): unknown;
  language: string;
}

const FIRST_WAIT = 300;
const LONGEST_WAIT = 5_000;
/** Close code of a token that this run of the node does not know (server.py). */
const NO_TOKEN = 4401;
const MAX_NEWS = 20;
const MAX_ROOM_LINES = 1_000;
const MAX_REACTIONS = 24;
const NO_ROOMS: Rooms = { t: "rooms", rooms: [], invitations: [], meetings: [] };

export class Client {
  state: AppState = {
    link: "connecting",
    entry: null,
    welcome: null,
    home: null,
    me: null,
    people: [],
    codes: [],
    calls: [],
    guests: { t: "guests", possible: false, links: [], guests: [] },
    over: null,
    news: [],
    rooms: NO_ROOMS,
    roomLines: new Map(),
    reactions: [],
    muteAsked: null,
    roomOver: null,
  };
  #listeners = new Set<(state: AppState) => void>();
  #hearers = new Set<(message: FromNode) => void>();
  #waiting = new Map<number, { answer: string; done(m: FromNode): void; failed(e: Error): void }>();
  #socket: WebSocket | null = null;
  #number = 0;
  #wait = FIRST_WAIT;
  #stopped = false;
  #kept = new Map<string, Kept>();

  #entrance: Entrance;

  constructor(private readonly around: Surroundings) {
    this.#entrance = new Entrance(around);
  }

  /** Calls `listener` at every change of `state`; gives the function that ends it. */
  subscribe(listener: (state: AppState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `hearer` with every message of the node. */
  hear(hearer: (message: FromNode) => void): () => void {
    this.#hearers.add(hearer);
    return () => this.#hearers.delete(hearer);
  }

  /** Exchanges the code of the address, if there is one, and opens the line. */
  async start(): Promise<void> {
    if (!(await this.#entrance.exchange()) && this.#entrance.token === null) await this.#entrance.comeBack();
    this.#open();
  }

  /** Another address was put into this tab, with a code perhaps: what is not open is opened with it. */
  async readdressed(): Promise<void> {
    if (!(await this.#entrance.exchange()) || this.#stopped) return;
    if (this.state.link === "open" || this.state.link === "outdated") return;
    const before = this.#socket;
    this.#socket = null;
    before?.close();
    this.#wait = FIRST_WAIT;
    this.#open();
  }

  /** Asks whoever looks at another window to let this one in. */
  async askIn(): Promise<void> {
    const letIn = await this.#entrance.ask((entry) => this.#change({ entry }), () => this.#stopped);
    if (!letIn) return;
    this.#change({ link: "connecting" });
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.close();
  }

  /**
   * Asks the node, and gives its answer. Rejects with `RefusedError` saying what to do, or with
   * `LinkLost` when the line broke.
   */
  ask<A extends AnswerName>(question: Question, answer: A): Promise<Extract<FromNode, { t: A }>> {
    // Who takes a call begins it as they want to, whatever another page had in mind.
    if (question.t === "take") this.#kept.delete(question.call ?? "");
    const id = ++this.#number;
    return new Promise((done, failed) => {
      if (this.#socket?.readyState !== 1) {
        failed(new LinkLost());
        return;
      }
      this.#waiting.set(id, { answer, done: done as (m: FromNode) => void, failed });
      this.tell({ ...question, id });
    });
  }

  /** Says something that has no answer; nothing while the line is broken. */
  tell(message: FromPage): void {
    if (this.#socket?.readyState === 1) this.#socket.send(pack(message));
  }

  /** How things stood in this call or room when a page carried it last; null: none did. */
  kept(target: string): Kept | null {
    return this.#kept.get(target) ?? null;
  }

  /** A line of chat that is not sent yet, and whom alone it is for; empty: everybody. */
  draft(target: string): { text: string; to: string } {
    const kept = this.kept(target);
    return { text: kept?.draft ?? "", to: kept?.draft_to ?? "" };
  }

  /** Hands this on to whichever page goes on with a call or a room when this one is gone. */
  keep(target: string, change: KeepChange): void {
    const before = this.kept(target);
    if (change.draft != null) change = { ...change, draft: [...change.draft.replace(/\p{Surrogate}/gu, "")].slice(0, MAX_DRAFT_CHARS).join("") };
    if (before !== null && Object.entries(change).every(([key, value]) => (before[key as keyof Kept] ?? "") === value)) return;
    const silent = { muted: true, camera_off: true, held: false, draft: "", draft_to: null, camera: null, microphone: null, speaker: null };
    this.#kept.set(target, { t: "kept", target, ...silent, ...before, ...change } as Kept);
    this.tell({ t: "keep", target, ...change });
  }

  dismissOver(): void {
    this.#change({ over: null });
  }

  dismissRoomOver(): void {
    this.#change({ roomOver: null });
  }

  dismissMuteAsked(): void {
    this.#change({ muteAsked: null });
  }

  dismissNews(news: News): void {
    this.#change({ news: this.state.news.filter((one) => one !== news) });
  }

  /** Everything this home holds, sealed with the passphrase. Rejects with `RefusedError`. */
  async exportHome(passphrase: string): Promise<Blob> {
    const answer = await this.#post("/export", JSON.stringify({ passphrase }));
    return await answer.blob();
  }

  /** Makes the home from an export. Rejects with `RefusedError`. */
  async importHome(
    file: Blob,
    exportPassphrase: string,
    keeper: Keeper,
    passphrase?: string,
  ): Promise<void> {
    const options: Record<string, string> = { export_passphrase: exportPassphrase, keeper };
    if (passphrase !== undefined) options["passphrase"] = passphrase;
    await this.#post("/import", new Blob([JSON.stringify(options), "\n", file]));
  }

  async #post(path: string, body: BodyInit): Promise<Response> {
    const token = this.#entrance.token ?? "";
    let answer: Response;
    try {
      answer = await this.around.fetch(path, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body,
      });
    } catch {
      throw new LinkLost();
    }
    if (answer.ok) return answer;
    if (answer.status === 409) {
      const { kind, sentence } = (await answer.json()) as { kind: string; sentence: string };
      throw new RefusedError(kind, sentence);
    }
    throw new RefusedError(`Http${answer.status}`, "");
  }

  #open(): void {
    if (this.#socket !== null) return;
    const { token } = this.#entrance;
    if (token === null) {
      this.#change({ link: "unauthorized" });
      return;
    }
    const socket = (this.#socket = this.around.connect());
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.tell({ t: "hello", version: VERSION, token, language: this.around.language });
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => this.take(unpack(event.data));
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code);
    };
  }

  #closed(code: number): void {
    this.#socket = null;
    for (const { failed } of this.#waiting.values()) failed(new LinkLost());
    this.#waiting.clear();
    if (this.state.link === "outdated" || this.#stopped) return;
    if (code === NO_TOKEN) {
      this.#entrance.forget();
      this.#change({ calls: [], rooms: NO_ROOMS });
      // The node was started again, and knows this browser perhaps.
      void this.#entrance.comeBack().then(() => this.#open());
      return;
    }
    this.#change({ link: "lost", calls: [], rooms: NO_ROOMS });
    this.around.later(() => this.#open(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  /** Takes a message as if the node had just said it. */
  protected take(message: FromNode): void {
    switch (message.t) {
      case "welcome":
        this.#wait = FIRST_WAIT;
        this.#change({ link: "open", welcome: message });
        break;
      case "outdated":
        this.#change({ link: "outdated" });
        break;
      case "home":
        this.#change({ home: message });
        break;
      case "me":
        this.#change({ me: message });
        break;
      case "people":
        this.#change({ people: message.people, codes: message.codes });
        break;
      case "calls":
        this.#change({ calls: message.calls });
        break;
      case "guests":
        this.#change({ guests: message });
        break;
      case "kept":
        this.#kept.set(message.target, message);
        break;
      case "over":
        this.#kept.delete(message.call);
        this.#change({ over: message });
        break;
      case "news":
        this.#change({ news: [...this.state.news, message].slice(-MAX_NEWS) });
        break;
      case "rooms":
        this.#roomsChanged(message);
        break;
      case "room-line":
        this.#roomLine({ ...message, at: Date.now() });
        break;
      case "room-reaction": {
        const reactions = [...this.state.reactions, { ...message, at: Date.now() }];
        this.#change({ reactions: reactions.slice(-MAX_REACTIONS) });
        break;
      }
      case "room-mute-asked":
        this.#change({ muteAsked: message });
        break;
      case "room-over":
        this.#kept.delete(message.room);
        this.#change({ roomOver: message });
        break;
      default:
        if ("id" in message) this.#answered(message);
    }
    for (const hearer of this.#hearers) hearer(message);
  }

  /** What is said in a room is gone with it. */
  #roomsChanged(rooms: Rooms): void {
    const there = (room: string) => rooms.rooms.some((one) => one.room === room);
    const { muteAsked, roomLines, reactions } = this.state;
    this.#change({
      rooms,
      roomLines: new Map([...roomLines].filter(([room]) => there(room))),
      reactions: reactions.filter((one) => there(one.room)),
      muteAsked: muteAsked !== null && there(muteAsked.room) ? muteAsked : null,
    });
  }

  #roomLine(line: RoomChatLine): void {
    const lines = [...(this.state.roomLines.get(line.room) ?? []), line].slice(-MAX_ROOM_LINES);
    this.#change({ roomLines: new Map(this.state.roomLines).set(line.room, lines) });
  }

  #answered(message: Extract<FromNode, { id: number }>): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    if (message.t === waiting.answer) waiting.done(message);
    else if (message.t === "refused")
      waiting.failed(new RefusedError(message.kind, message.sentence));
    else waiting.failed(new RefusedError("Unexpected", ""));
  }

  #change(change: Partial<AppState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener(this.state);
  }
}
