// Whether somebody speaks, and whether they do so muted without noticing.
import { meter, type Meter } from "../media/devices.js";

/** So long somebody muted must speak to be told, and is then told. */
const TICKS = 4;
const TOLD_MS = 6_000;

export class Unnoticed {
  /** They speak and are heard. */
  speaking = false;
  #ear: { track: MediaStreamTrack; meter: Meter } | null = null;
  #ticks = 0;
  #until = 0;

  /** They speak and are not heard, and seem not to know it. */
  get told(): boolean {
    return Date.now() < this.#until;
  }

  /** Listens, a few times a second. `talking`: they let themselves be heard by a key that is down. */
  tick(track: MediaStreamTrack | null, muted: boolean, talking: boolean): void {
    if (track !== (this.#ear?.track ?? null)) {
      this.close();
      this.#ear = track === null ? null : { track, meter: meter(new MediaStream([track])) };
    }
    const loud = this.#ear?.meter.speaking() ?? false;
    this.#ticks = loud && muted && !talking ? this.#ticks + 1 : 0;
    if (this.#ticks >= TICKS) this.#until = Date.now() + TOLD_MS;
    if (!muted) this.#until = 0;
    this.speaking = loud && !muted;
  }

  close(): void {
    this.#ear?.meter.close();
    this.#ear = null;
  }
}
