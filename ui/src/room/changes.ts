// What happened in a room between two looks, for who cannot see it; and what is wrong between two people.
import type { Participant, RoomShown } from "../node/messages.js";

export type Change =
  | { what: "joined" | "left" | "hand" | "sharing" | "knock"; name: string }
  | { what: "locked" | "unlocked" | "role"; name: string };

/** Joining oneself is not news, nor is one's own hand. */
export function changes(before: RoomShown, after: RoomShown): Change[] {
  if (before.state !== "in" || after.state !== "in") return [];
  const found: Change[] = [];
  const were = new Map(before.people.map((one) => [one.key, one]));
  const are = new Set(after.people.map((one) => one.key));
  for (const one of before.people) if (!are.has(one.key)) found.push({ what: "left", name: one.name });
  for (const one of after.people) {
    const was = were.get(one.key);
    if (one.me) {
      if (was !== undefined && was.role !== one.role) found.push({ what: "role", name: one.role });
    } else if (was === undefined) found.push({ what: "joined", name: one.name });
    else {
      if (one.hand && !was.hand) found.push({ what: "hand", name: one.name });
      if (one.sharing && !was.sharing) found.push({ what: "sharing", name: one.name });
    }
  }
  const waited = new Set(before.knocking.map((one) => one.key));
  for (const one of after.knocking) if (!waited.has(one.key)) found.push({ what: "knock", name: one.name });
  if (before.locked !== after.locked) found.push({ what: after.locked ? "locked" : "unlocked", name: "" });
  return found;
}

/** `unheard`: no media comes from them. `unseen`: ours does not reach them. */
export type Contact = "fine" | "connecting" | "reconnecting" | "unheard" | "unseen";
/** Media that flows in one direction only may still be coming up. */
const PATIENCE = 10_000;

/** How one stands with each of the others; remembers since when. */
export class Contacts {
  #since = new Map<string, number>();
  #met = new Set<string>();

  take(people: readonly Participant[], now: number): Map<string, Contact> {
    const found = new Map<string, Contact>();
    for (const one of people) {
      if (one.me) continue;
      const whole = one.here && one.media && one.seen;
      if (whole || !one.here) this.#since.delete(one.key);
      else if (!this.#since.has(one.key)) this.#since.set(one.key, now);
      if (one.here && one.media) this.#met.add(one.key);
      found.set(one.key, whole ? "fine" : this.#wrong(one, now));
    }
    for (const key of [...this.#since.keys()]) if (!found.has(key)) this.#since.delete(key);
    return found;
  }

  #wrong(one: Participant, now: number): Contact {
    const long = now - (this.#since.get(one.key) ?? now) > PATIENCE;
    if (one.here && long) return one.media ? "unseen" : "unheard";
    if (one.here && one.media) return "fine";
    return this.#met.has(one.key) ? "reconnecting" : "connecting";
  }
}
