// A guest's visit to a room: carries out what the machine asks for, and plays the node's part for the
// page (onmeet_node/web/messages/rooms.py). What is shown of the room is in view.ts.
import { RefusedError, type Question } from "../../node/client.js";
import { visitKey, type VisitKey } from "../../protocol/ed25519.js";
import type { FromNode, FromPage, PictureSize, RoomEnd } from "../../node/messages.js";
import type { GuestOptions, RoomPage } from "../stage.js";
import { DoorLine } from "./door-line.js";
import { hex, type TurnServer } from "../../protocol/guest-messages.js";
import type { Effect } from "../../protocol/room-effects.js";
import { Room } from "../../protocol/room-machine.js";
import { RoomCalls } from "./calls.js";
import { seatOf, succession, type Roster } from "../../protocol/room-roster.js";
import { Timers } from "./timers.js";
import { RoomTransport } from "./transport.js";
import { RoomView } from "./view.js";
import { unpack, type Card, type FromSeat, type Key } from "../../protocol/room-messages.js";

/** For those in a room to confirm what was said, before whoever said it is told. */
const SAID = 10_000;
/** Channels are looked after so often. */
const LOOK = 1_000;
/** For last words that go beside media. */
const GOODBYE = 250;
const MAX_SEEN = 4_096;

/** Made by `enter`. */
export class GuestVisit {
  readonly line: DoorLine;
  #machine: Room;
  #transport: RoomTransport;
  #calls: RoomCalls;
  #view: RoomView;
  #timers: Timers;
  readonly #me: Key;
  readonly #room: string;
  #servers: readonly TurnServer[] = [];
  /** How large we show them. */
  #looks = new Map<Key, PictureSize>();
  #seen = new Set<string>();

  static async enter(page: RoomPage, options: GuestOptions): Promise<GuestVisit> {
    return new GuestVisit(page, options, await visitKey(page.random(32)));
  }

  private constructor(
    private readonly page: RoomPage,
    options: GuestOptions,
    key: VisitKey,
  ) {
    const { browser } = page;
    const me = (this.#me = hex(key.publicKey));
    const room = (this.#room = hex(options.room));
    const knock = {
      room: options.room,
      host: hex(options.host),
      name: options.name,
      video: options.kinds.includes("video"),
    };
    this.#timers = new Timers((ms, run) => page.after(ms, run));
    this.#machine = new Room(me, knock, browser.now(), (bytes) => page.random(bytes));
    this.#transport = new RoomTransport(
      {
        me: key,
        name: options.name,
        room,
        now: () => browser.now(),
        ephemeral: () => browser.key(),
        read: unpack,
        fresh: (ephemeral) => this.#fresh(ephemeral),
      },
      {
        opened: (one, card) => this.#opened(one, card),
        heard: (one, message) => this.#heard(one, message),
        lost: (one) => this.#lost(one),
        carriers: () => (this.#machine.roster === null ? [] : succession(this.#machine.roster)),
        welcome: (one) => this.#machine.roster !== null && this.#machine.welcome(one) && this.#mayOpen(one),
        session: (one) => this.#calls.of(one)?.connectedSession ?? null,
        line: (one) => this.line.to === one,
        lineBroke: () => this.line.broke(),
        carry: (data) => page.carry(data),
        carryMedia: (session, data) => page.take({ t: "carry-media", session, data }),
      },
    );
    this.#calls = new RoomCalls({
      me,
      room,
      kinds: options.kinds,
      say: (one, message) => this.#transport.say(one, message),
      take: (message) => page.take(message),
      number: () => page.number(),
      random: (bytes) => page.random(bytes),
      after: (ms, run) => page.after(ms, run),
      seated: (one) => this.#machine.seated(one),
      servers: () => this.#servers,
      hidden: (one) => this.#view.hidden.has(one),
      people: () => this.#machine.roster?.seats.filter((seat) => seat.video).length ?? 0,
      begins: (one) => {
        this.#perform(this.#machine.called(one, this.#now));
        this.#view.publish();
      },
      changed: (one) => this.#callChanged(one),
      silent: (session) => this.#transport.sessionLost(session),
      over: (one) => this.#perform(this.#machine.callOver(one, this.#now)),
    });
    this.#view = new RoomView(room, this.#machine, this.#calls, page);
    this.line = new DoorLine({
      page,
      machine: this.#machine,
      transport: this.#transport,
      timers: this.#timers,
      room,
      host: knock.host,
      renew: () => this.#renew(),
      tampered: () => {
        this.#view.tampered = true;
        this.#view.changed();
      },
      end: (stage) => this.#end(stage),
    });
    this.#repeat();
  }

  // ── what the page asks ────────────────────────────────────────────────────────────────────────
  /** Those who may not have what was just said: to all, or to one. */
  async #missed(to: Key | null): Promise<Key[]> {
    const seats = () => (this.#machine.roster?.seats ?? []).map((seat) => seat.key).filter((key) => key !== this.#me);
    const has = new Set<Key>();
    const keys = to === null ? seats() : [to];
    const asked = keys.map(async (key) => void ((await this.#transport.flushed(key)) && has.add(key)));
    await Promise.race([Promise.all(asked), new Promise<void>((done) => this.#timers.later(SAID, done))]);
    return keys.filter((key) => !has.has(key) && seats().includes(key));
  }

  leave(): void {
    if (this.#machine.roster === null) this.#end({ at: "over", reason: "cancelled", seconds: 0 });
    else this.#perform(this.#machine.leave(this.#now));
  }

  async ask(question: Question): Promise<FromNode> {
    if (!("room" in question) || question.room !== this.#room) throw new RefusedError("NotAGuests", "");
    switch (question.t) {
      case "change-room":
        if (question.action === "leave") this.leave();
        else if (question.action === "raise-hand" || question.action === "lower-hand")
          this.#perform(this.#machine.raiseHand(question.action === "raise-hand", this.#now));
        else throw new RefusedError("NotAGuests", "");
        break;
      case "change-seat":
        if (question.action !== "hide" && question.action !== "show") throw new RefusedError("NotAGuests", "");
        this.#hide(question.key as string, question.action === "hide");
        break;
      case "say-in-room": {
        const said = this.#machine.say(question.text, question.to ?? null, this.#now);
        if (said === null) throw new RefusedError("NotInRoom", "");
        this.#perform(said);
        this.#view.line(this.#me, question.text, question.to ?? null);
        return { t: "said-in-room", id: 0, missed: await this.#missed(question.to ?? null) };
      }
      default:
        throw new RefusedError("NotAGuests", "");
    }
    return { t: "done", id: 0 };
  }

  tell(message: FromPage): void {
    switch (message.t) {
      case "carried": {
        const key = this.#calls.with(message.session);
        if (key !== null) this.#transport.fromMedia(key, message.session, new Uint8Array(message.data));
        break;
      }
      case "tell-media": {
        const { muted, camera_off, sharing } = message;
        const media = (this.#view.media = { muted, camera_off, sharing });
        this.#calls.tellMedia(media, message.call === this.#room ? null : message.call);
        this.#view.changed();
        break;
      }
      case "react-in-room":
        this.#perform(this.#machine.react(message.emoji, this.#now));
        this.#view.reaction(this.#me, message.emoji);
        break;
      case "look-at":
        this.#looks.set(message.key as string, message.size);
        this.#transport.say(message.key as string, { t: "look", size: message.size });
        break;
      default:
        if ("session" in message) this.#calls.tell(message);
    }
  }

  // ── channels ──────────────────────────────────────────────────────────────────────────────────
  #opened(key: Key, card: Card): void {
    this.#view.met(key, card);
    this.#perform(this.#machine.opened(key, this.#now));
    const size = this.#looks.get(key);
    if (size !== undefined) this.#transport.say(key, { t: "look", size });
    this.#calls.of(key)?.sayAgain();
  }

  #lost(key: Key): void {
    if (!this.#machine.seated(key) && this.#calls.of(key) !== null) {
      this.#calls.hangUp(key);
      this.#perform(this.#machine.callOver(key, this.#now));
    }
    this.#perform(this.#machine.lost(key, this.#now));
    // Whoever is gone for good is noticed by their media at once.
    this.#calls.of(key)?.suspect();
  }

  #heard(key: Key, message: FromSeat): void {
    switch (message.t) {
      case "pipe":
        if (seatOf(this.#machine.roster, key)?.role !== "guest") this.#transport.fromPipe(key, message.key, message.pipe, message.data);
        break;
      case "look":
        if (this.#machine.seated(key)) this.#calls.look(key, message.size);
        break;
      default:
        if ("call" in message) {
          if (this.#machine.welcome(key)) this.#calls.heard(key, message);
        } else this.#perform(this.#machine.received(key, message, this.#now));
    }
  }

  /** Of those in the room only guests who came later open channels to us. */
  #mayOpen(key: Key): boolean {
    const seat = seatOf(this.#machine.roster, key);
    return seat === null || seat.role === "guest";
  }

  #fresh(ephemeral: string): boolean {
    if (this.#seen.has(ephemeral)) return false;
    this.#seen.add(ephemeral);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }

  // ── effects ───────────────────────────────────────────────────────────────────────────────────
  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#do(effect);
    this.#sleep();
    this.#view.changed();
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case "send":
        this.#transport.say(effect.to, effect.message);
        break;
      case "open":
        this.#transport.open(effect.key);
        break;
      case "close":
        this.#transport.close(effect.key);
        break;
      case "ring":
        this.#calls.ring(effect.key);
        break;
      case "hang-up":
        // When all is over, last words go first: `#end`.
        if (this.#machine.over === null) this.#calls.hangUp(effect.key);
        break;
      case "roster-changed":
        this.#rosterChanged(effect.roster, effect.before);
        break;
      case "string-ready":
        void this.#view.stringReady(effect.digest, effect.nonces);
        break;
      case "wait":
        this.page.stage({ at: "knocking", state: effect.state });
        break;
      case "lent":
        this.#servers = effect.servers;
        break;
      case "asked-to-mute":
        this.page.take({ t: "room-mute-asked", room: this.#room, name: this.#view.nameOf(effect.by) });
        break;
      case "said":
        if (!(effect.private && this.#view.hidden.has(effect.by)))
          this.#view.line(effect.by, effect.text, effect.private ? this.#me : null);
        break;
      case "reacted":
        this.#view.reaction(effect.by, effect.emoji);
        break;
      case "one-way-media":
        this.#view.oneWay.add(effect.key);
        break;
      case "media-restored":
        this.#view.oneWay.delete(effect.key);
        break;
      case "roster-mismatch":
        this.#view.mismatched.add(effect.other);
        break;
      case "ended":
        this.#ended(effect.reason);
        break;
    }
  }

  #rosterChanged(roster: Roster, before: Roster | null): void {
    if (before === null) {
      this.#view.since = Math.floor(Date.now() / 1_000);
      this.#view.publish();
      this.page.stage({ at: "in" });
    }
    this.#view.rosterChanged(roster, (key) => this.#transport.up(key));
    this.#transport.forget((key) => this.#machine.seated(key) || this.#machine.other(key) !== null);
    this.#calls.settle();
  }

  #ended(reason: RoomEnd): void {
    const inside = this.#machine.roster !== null;
    // Nobody could be asked, for as long as somebody might have answered.
    if (!inside && reason === "no-answer" && this.line.to === null) return this.#renew();
    const seconds = inside ? Math.max(0, Math.round(Date.now() / 1_000 - this.#view.since)) : 0;
    this.#end(inside ? { at: "over", reason, seconds } : { at: "denied", reason });
  }

  /** Where this visit stands in nobody's room, another begins anew. */
  #renew(): void {
    if (this.#timers.over) return;
    this.#rest();
    this.#transport.closeAll();
    this.#calls.closeAll();
    this.page.renew();
  }

  #rest(): void {
    this.#view.stop();
    this.#timers.stop();
  }

  #end(stage: Parameters<RoomPage["finish"]>[0]): void {
    if (this.#timers.over) return;
    this.#rest();
    this.#calls.sayGoodbye();
    const beside = this.#transport.beside;
    this.#transport.closeAll();
    const finish = () => {
      this.#calls.closeAll();
      this.page.finish(stage);
    };
    // NOTE: what was just said beside the media would be lost with it.
    if (beside) this.page.after(GOODBYE, finish);
    else finish();
  }

  // ── calls ─────────────────────────────────────────────────────────────────────────────────────
  #callChanged(key: Key): void {
    const up = this.#calls.of(key)?.state === "connected";
    if (up !== (this.#machine.other(key)?.media ?? false)) this.#perform(this.#machine.media(key, up, this.#now));
    this.#view.changed();
  }

  /** No private lines of theirs, and media with them by relays alone from now on. They learn nothing. */
  #hide(key: Key, hidden: boolean): void {
    if (!this.#machine.seated(key) || key === this.#me) throw new RefusedError("NotInRoom", "");
    const { hidden: all } = this.#view;
    if (hidden === all.has(key)) return;
    if (hidden) {
      all.add(key);
      this.#calls.of(key)?.reoffer();
    } else all.delete(key);
    this.#view.changed();
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────
  get #now(): number {
    return this.page.browser.now();
  }

  #repeat(): void {
    this.#timers.later(LOOK, () => {
      this.#transport.look();
      this.#repeat();
    });
  }

  #sleep(): void {
    const due = this.#machine.nextTimeout;
    this.#timers.wake(due === null ? null : Math.max(0, due - this.#now), () => this.#perform(this.#machine.tick(this.#now)));
  }
}
