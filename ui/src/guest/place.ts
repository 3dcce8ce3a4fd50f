// A guest's place at the door, kept in the tab, where that is possible, so that a reload loses neither
// the name nor the place, nor opens what was closed. It is gone with the call, and with the tab.
import type { Store } from "../node/stores.js";
import { REJOIN } from "../protocol/tables.js";

const PLACE = "onmeet-place";

export interface Place {
  /** Of the link; not the link itself, which is a secret. */
  readonly door: string;
  readonly name: string;
  readonly voice: boolean;
  /** Knocked, or in the call. */
  readonly waits: boolean;
  /** As they were in the call; null: none had begun, and the devices' own choice holds. */
  readonly muted: boolean | null;
  readonly cameraOff: boolean | null;
  readonly draft: string;
  readonly draftTo: string;
  /** When the page went, Unix milliseconds; null: it is there, or it crashed. */
  readonly left: number | null;
}

export class Places {
  #now: Place;
  /** What the page before this one left here; null: there was none, or for another link. */
  readonly before: Place | null;
  /** It was there a moment ago, so the guest goes on: what they waited for, or were in. */
  readonly returns: boolean;

  constructor(
    private readonly store: Store,
    private readonly door: string,
    private readonly clock: () => number = Date.now,
  ) {
    this.before = this.#read();
    this.#now = this.before ?? this.#nothing();
    const { waits, left } = this.#now;
    this.returns = waits && left !== null && Math.abs(clock() - left) < REJOIN;
    if (this.before !== null) this.put({ left: null, waits: this.returns }); // a copy of the tab is not the guest
  }

  put(change: Partial<Place>): void {
    this.#now = { ...this.#now, ...change };
    this.store.setItem(PLACE, JSON.stringify(this.#now));
  }

  /** The page goes; another may take the place in a moment. */
  leave(): void {
    this.put({ left: this.clock() });
  }

  /** The call is over: nothing of it is kept. */
  forget(): void {
    this.#now = this.#nothing();
    this.store.removeItem(PLACE);
  }

  #nothing(): Place {
    const { door } = this;
    return { door, name: "", voice: false, waits: false, muted: null, cameraOff: null, draft: "", draftTo: "", left: null };
  }

  #read(): Place | null {
    try {
      const kept = JSON.parse(this.store.getItem(PLACE) ?? "null") as Place | null;
      return kept?.door === this.door ? { ...this.#nothing(), ...kept } : null;
    } catch {
      return null; // what a page kept is not worth an error
    }
  }
}
