// Who speaks, and who of them is in front. One's own voice is no matter here: nobody shows it to them.
/** Louder than this is speech: 0 silent … 1 as loud as can be. */
const SPEECH = 0.02;
/** Between words somebody still speaks. */
const PAUSE = 600;
/** Who is louder takes the front after so long; sooner where nobody else speaks. */
const HOLD = 1_000;
const HOLD_IN_SILENCE = 300;
/** How much of a level is left at the next look: a syllable is not a speaker. */
const FADE = 0.7;

export class Speakers {
  #levels = new Map<string, number>();
  #spoke = new Map<string, number>();
  #active: string | null = null;
  #rival: { key: string; since: number } | null = null;

  /** Levels of all others, several times a second. `now` in milliseconds. True: something changed. */
  take(levels: ReadonlyMap<string, number>, now: number): boolean {
    const before = this.#seen(now);
    for (const key of this.#levels.keys())
      if (!levels.has(key)) {
        this.#levels.delete(key);
        this.#spoke.delete(key);
      }
    for (const [key, level] of levels) {
      this.#levels.set(key, Math.max(level, (this.#levels.get(key) ?? 0) * FADE));
      if (level > SPEECH) this.#spoke.set(key, now);
    }
    if (this.#active !== null && !levels.has(this.#active)) this.#active = null;
    this.#choose(now);
    return before !== this.#seen(now);
  }

  /** Who spoke last, or speaks longest; null: nobody has yet. */
  get active(): string | null {
    return this.#active;
  }

  speaking(key: string, now: number): boolean {
    return now - (this.#spoke.get(key) ?? -Infinity) < PAUSE;
  }

  #choose(now: number): void {
    let loudest: string | null = null;
    for (const [key, level] of this.#levels)
      if (this.speaking(key, now) && (loudest === null || level > this.#levels.get(loudest)!)) loudest = key;
    if (loudest === null || loudest === this.#active) {
      this.#rival = null;
      return;
    }
    if (this.#rival?.key !== loudest) this.#rival = { key: loudest, since: now };
    const silent = this.#active === null || !this.speaking(this.#active, now);
    if (now - this.#rival.since < (silent ? HOLD_IN_SILENCE : HOLD)) return;
    this.#active = loudest;
    this.#rival = null;
  }

  #seen(now: number): string {
    return `${this.#active} ${[...this.#levels.keys()].filter((key) => this.speaking(key, now)).join()}`;
  }
}
