// A guest at the door of a room, and what those behind it answer. Of
// onmeet_node/protocol/room/admission.py it is the other side.
import type { RoomEnd } from "../node/messages.js";
import type { Members } from "./room-members.js";
import type { FromSeat, Key } from "./room-messages.js";
import * as timing from "./room-timing.js";

const ENDS: Readonly<Record<string, RoomEnd>> = { full: "full", "link-closed": "locked", "no-answer": "no-answer" };

export class RoomAdmission {
  #until: number;

  constructor(private readonly members: Members) {
    this.#until = members.now + timing.KNOCK;
    members.obtain(members.knock.host).tryAt = members.now;
  }

  /** When a knock that nobody answers is given up; null once we are in. */
  get nextTimeout(): number | null {
    return this.members.roster === null ? this.#until : null;
  }

  /** The channel with the host is open. */
  knock(): void {
    const { room, host, name, video } = this.members.knock;
    this.members.say(host, { t: "room-knock", room, name, video });
  }

  heard(key: Key, message: FromSeat): void {
    const { members } = this;
    if (key !== members.knock.host) return;
    if (message.t === "wait") members.emit({ do: "wait", state: message.state });
    else if (message.t === "lent") members.lent(message.servers);
    else if (message.t === "deny") members.finish(ENDS[message.reason] ?? "denied");
  }
}
