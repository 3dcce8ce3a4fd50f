// The calls of a visit: one with everybody in the room, who is dialled or dials us.
import type { FromNode, FromPage, Kind, PeerMedia, PictureSize } from "../../node/messages.js";
import type { Bytes } from "../../protocol/bytes.js";
import { Call } from "../call.js";
import { hex, type TurnServer } from "../../protocol/guest-messages.js";
import { sendLimits } from "../../protocol/room-send-limits.js";
import { unhex, type FromSeat, type Key, type ToSeat } from "../../protocol/room-messages.js";
import { MAX_CANDIDATES } from "../../protocol/tables.js";

type CallMessage = Extract<FromSeat, { call: string }>;
type Invite = Extract<FromSeat, { t: "invite" }>;
type Candidates = Extract<ToSeat, { t: "candidates" }>;

/** Candidates found within so many milliseconds go out together: a host takes 50 messages a second. */
const TRICKLE = 30;

export interface RoomCallsOwner {
  readonly me: Key;
  readonly room: string;
  readonly kinds: readonly Kind[];
  say(key: Key, message: ToSeat): void;
  take(message: FromNode): void;
  number(): number;
  random(bytes: number): Bytes;
  after(ms: number, run: () => void): () => void;
  seated(key: Key): boolean;
  servers(): readonly TurnServer[];
  hidden(key: Key): boolean;
  /** Seats with picture. */
  people(): number;
  /** A call begins. It is to be shown before any media of it is opened. */
  begins(key: Key): void;
  changed(key: Key): void;
  /** A peer connection is closed or silent: what went beside its media is to go another way. */
  silent(session: number): void;
  over(key: Key): void;
}

interface RoomCall {
  readonly call: Call;
  /** Their call, until they have a seat. */
  waiting: Invite | null;
}

export class RoomCalls {
  #calls = new Map<Key, RoomCall>();
  /** How large they show us. */
  #looks = new Map<Key, PictureSize>();
  #media: PeerMedia | null = null;
  #trickle = new Map<Key, Candidates>();

  constructor(private readonly owner: RoomCallsOwner) {}

  of(key: Key): Call | null {
    return this.#calls.get(key)?.call ?? null;
  }

  /** With whom this session is. */
  with(session: number): Key | null {
    for (const [key, { call }] of this.#calls) if (call.has(session)) return key;
    return null;
  }

  /** Dials, unless a call with them is on. */
  ring(key: Key): void {
    if (this.#calls.has(key)) return;
    const call = this.#make(key, this.owner.random(16), true);
    call.begin();
  }

  hangUp(key: Key): void {
    const call = this.of(key);
    this.#calls.delete(key);
    call?.hangUp();
    this.owner.changed(key);
  }

  /** Says to everybody that we go; media goes on until `closeAll`. */
  sayGoodbye(): void {
    for (const [key, { call }] of this.#calls) this.owner.say(key, { t: "hangup", call: call.id, reason: "normal" });
  }

  closeAll(): void {
    const calls = [...this.#calls.values()].map((one) => one.call);
    this.#calls.clear();
    for (const call of calls) call.close();
  }

  /** Takes the calls of those who have a seat by now. */
  settle(): void {
    for (const [key, one] of this.#calls) if (one.waiting !== null) this.#accept(key, one);
    this.limitAll();
  }

  heard(key: Key, message: CallMessage): void {
    if (message.t === "invite") return this.#invited(key, message);
    const call = this.of(key);
    if (call === null || hex(call.id) !== message.call) return;
    if (message.t === "cancel") this.#over(key, call);
    else call.heard(message);
  }

  tell(message: Extract<FromPage, { session: number }>): void {
    const key = this.with(message.session);
    if (key === null) return;
    this.of(key)!.media(message);
    if (message.t === "media-path-lost") this.owner.silent(message.session);
  }

  /** What we send now: to one, or to everybody. */
  tellMedia(media: PeerMedia, call: string | null): void {
    this.#media = media;
    for (const one of this.#calls.values()) if (call === null || hex(one.call.id) === call) one.call.tellMedia(media);
  }

  look(key: Key, size: PictureSize): void {
    this.#looks.set(key, size);
    this.#limit(key);
  }

  limitAll(): void {
    for (const key of this.#calls.keys()) this.#limit(key);
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────
  #make(key: Key, id: Bytes, outgoing: boolean): Call {
    const { owner } = this;
    const call: Call = new Call(id, outgoing, owner.me > key, owner.kinds, {
      say: (message) => this.#say(key, message),
      take: (message) => {
        owner.take(message);
        if (message.t === "open-media") this.#limitSession(key, message.session);
        else if (message.t === "close-media") owner.silent(message.session);
      },
      number: () => owner.number(),
      opening: () => ({
        servers: [...owner.servers()],
        relay_only: owner.hidden(key),
        room: owner.room,
        carry: true,
      }),
      changed: () => {
        if (this.of(key) === call) owner.changed(key);
      },
      agreed: () => undefined, // the room's string stands for all
      over: () => this.#over(key, call),
      after: (ms, run) => owner.after(ms, run),
    });
    this.#calls.set(key, { call, waiting: null });
    owner.begins(key);
    if (this.#media !== null) call.tellMedia(this.#media);
    return call;
  }

  #invited(key: Key, invite: Invite): void {
    const one = this.#calls.get(key);
    if (one !== undefined) {
      const { call } = one;
      if (hex(call.id) === invite.call) {
        if (one.waiting === null && !call.outgoing) call.sayAgain();
        return;
      }
      // Both have dialled: the greater id goes on. Else they gave the call up that we know.
      if (call.outgoing && !call.accepted && hex(call.id) > invite.call) return;
      this.#calls.delete(key);
      call.close();
    }
    this.#make(key, unhex(invite.call), false);
    const made = this.#calls.get(key)!;
    made.waiting = invite;
    this.#accept(key, made);
  }

  #accept(key: Key, one: RoomCall): void {
    const invite = one.waiting;
    if (invite === null || !this.owner.seated(key)) return;
    one.waiting = null;
    one.call.accept();
    const { call, sdp, commitment } = invite;
    if (sdp !== null) one.call.heard({ t: "renegotiate", call, generation: 0, sdp, commitment });
  }

  #over(key: Key, call: Call): void {
    if (this.of(key) !== call) return;
    this.#calls.delete(key);
    call.close();
    this.owner.over(key);
  }

  #say(key: Key, message: ToSeat): void {
    if (message.t !== "candidates") return this.owner.say(key, message);
    const waiting = this.#trickle.get(key);
    if (waiting === undefined) this.owner.after(TRICKLE, () => this.#sayCandidates(key));
    else if (waiting.generation !== message.generation || waiting.call !== message.call) this.owner.say(key, waiting);
    else if (waiting.candidates.length + message.candidates.length > MAX_CANDIDATES) this.owner.say(key, waiting);
    else message = { ...message, candidates: [...waiting.candidates, ...message.candidates], end: waiting.end || message.end };
    this.#trickle.set(key, message);
  }

  #sayCandidates(key: Key): void {
    const message = this.#trickle.get(key);
    this.#trickle.delete(key);
    if (message !== undefined) this.owner.say(key, message);
  }

  #limit(key: Key): void {
    const session = this.of(key)?.session ?? null;
    if (session !== null) this.#limitSession(key, session);
  }

  #limitSession(key: Key, session: number): void {
    const size = this.#looks.get(key) ?? "small";
    this.owner.take({ t: "shape-media", session, ...sendLimits(this.owner.people(), size) });
  }
}
