// The guest's line to the door as a visit uses it: for one channel into the room, and anew when it breaks.
import type { LineEnd } from "../line.js";
import type { RoomPage } from "../stage.js";
import type { Bytes } from "../../protocol/bytes.js";
import { hex } from "../../protocol/guest-messages.js";
import type { Room } from "../../protocol/room-machine.js";
import type { Key } from "../../protocol/room-messages.js";
import * as timing from "../../protocol/room-timing.js";
import type { Timers } from "./timers.js";
import type { RoomTransport } from "./transport.js";

const LONGEST_WAIT = 8_000;

export interface DoorLineOwner {
  readonly page: RoomPage;
  readonly machine: Room;
  readonly transport: RoomTransport;
  readonly timers: Timers;
  /** In hex. */
  readonly room: string;
  readonly host: Key;
  /** The visit leads nowhere, and another is to begin. */
  renew(): void;
  tampered(): void;
  end(stage: { at: "failed"; why: LineEnd } | { at: "denied"; reason: string }): void;
}

export class DoorLine {
  /** Who is at its other end; null: it is not open. */
  to: Key | null = null;
  #wait = timing.RETRY;
  #closed = false;

  constructor(private readonly owner: DoorLineOwner) {}

  /** It is open, to somebody who has this key in that room. */
  opened(room: Bytes, host: Bytes): void {
    const { machine } = this.owner;
    const key = hex(host);
    this.#wait = timing.RETRY;
    // Another room, or somebody of whom we know nothing: the link leads elsewhere by now.
    const ours = hex(room) === this.owner.room && machine.welcome(key) && machine.opens(key);
    if (!ours && machine.roster === null) return this.owner.renew();
    if (!ours) return;
    this.to = key;
    this.owner.transport.openOnLine(key);
  }

  ended(why: LineEnd): void {
    this.to = null;
    // What came before the line went is heard first: it may be the last word, and say why.
    void this.owner.transport.heardOnLine().then(() => this.#gone(why));
  }

  /** The channel on it is over, and it carries no second one. */
  broke(): void {
    if (this.to === null) return;
    this.owner.page.closeLine();
    this.ended("lost");
  }

  #gone(why: LineEnd): void {
    const { host, machine, page, timers, transport } = this.owner;
    transport.lineLost();
    if (timers.over) return;
    if (machine.roster === null) {
      const trying = page.trying(why);
      if (trying === null) return this.owner.end({ at: "failed", why });
      page.stage({ at: "knocking", state: "sent", trying });
    } else if (why === "tampered") this.owner.tampered();
    timers.later(this.#wait, () => {
      if (!this.#closed && (machine.roster === null || machine.opens(host))) page.openLine();
    });
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  carried(data: Bytes): void {
    if (this.to !== null) this.owner.transport.fromLine(data);
  }

  /** Said on the line itself: it leads into the room no more. Who is in stays in. */
  denied(reason: string): void {
    if (this.owner.machine.roster === null) return this.owner.end({ at: "denied", reason });
    this.#closed = true;
  }
}
