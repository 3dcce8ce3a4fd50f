// How large everybody's picture is wanted here: their nodes send no more than that (LookAt).
import type { PictureSize } from "../node/messages.js";

/** Up to so many people, each tile of a grid is large. */
const FEW = 4;
const PAUSE = 300;

interface Shown {
  /** All but oneself. */
  readonly others: readonly string[];
  /** Whose tile is on the screen. */
  readonly visible: ReadonlySet<string>;
  readonly front: string | null;
  readonly active: string | null;
  /** Nobody looks at this page at all. */
  readonly away: boolean;
}

export function sizes({ others, visible, front, active, away }: Shown): Map<string, PictureSize> {
  const size = (key: string): PictureSize => {
    if (away || !visible.has(key)) return "none";
    if (front !== null) return key === front ? "large" : "small";
    return others.length < FEW || key === active ? "large" : "small";
  };
  return new Map(others.map((key) => [key, size(key)]));
}

/** Tells changes, once a moment has passed; what changed back by then is not told. */
export class Looks {
  #told = new Map<string, PictureSize>();
  #wanted: ReadonlyMap<string, PictureSize> = new Map();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly tell: (key: string, size: PictureSize) => void) {}

  want(wanted: ReadonlyMap<string, PictureSize>): void {
    this.#wanted = wanted;
    // NOTE: not begun anew at each call: the screen asks more often than the pause is long.
    this.#timer ??= setTimeout(() => this.#compare(), PAUSE);
  }

  /** Nothing is shown any more: told at once, as far as `there` still has these people. */
  stop(there: boolean): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#wanted = new Map([...this.#told.keys()].map((key) => [key, "none"]));
    if (there) this.#compare();
  }

  #compare(): void {
    this.#timer = null;
    for (const key of this.#told.keys()) if (!this.#wanted.has(key)) this.#told.delete(key);
    for (const [key, size] of this.#wanted) {
      if (this.#told.get(key) === size) continue;
      this.#told.set(key, size);
      this.tell(key, size);
    }
  }
}
