// How a page is let in by its node: by the code of its address, as a browser that was let in before, or by
// a click in another window (onmeet_node/web/browsers.py).

const TOKEN = "onmeet-token";

/** `number`: shown in the window that is asked as well. */
export type Entry = { readonly at: "waiting"; readonly number: string } | { readonly at: "denied" | "nobody" | "late" };

/** What a browser proves itself by. */
export interface BrowserKey {
  /** An uncompressed point of P-256, base64url. */
  readonly publicKey: string;
  /** r and s, base64url. */
  sign(challenge: string): Promise<string>;
}

export interface EntranceSurroundings {
  fetch: typeof fetch;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** The one-time code of this page's address; reading it removes it from the address. */
  takeCode(): string | null;
  /** Null where the browser has none. */
  browserKey(): Promise<BrowserKey | null>;
}

export class Entrance {
  constructor(private readonly around: EntranceSurroundings) {}

  /** Of the run of the node that let us in; null: none did. */
  get token(): string | null {
    return this.around.storage.getItem(TOKEN);
  }

  /** The node knows it no more. */
  forget(): void {
    this.around.storage.removeItem(TOKEN);
  }

  /** Whether there was a code, and it was good. */
  async exchange(): Promise<boolean> {
    const code = this.around.takeCode();
    if (code === null) return false;
    const key = await this.around.browserKey();
    // A node that is not there gives no token; the one that we have may do when it is back.
    return await this.#takeToken(await this.#say("/session", key === null ? { code } : { code, key: key.publicKey }));
  }

  /** A browser that was let in before needs no code. */
  async comeBack(): Promise<boolean> {
    const proof = await this.#proof();
    return proof !== null && (await this.#takeToken(await this.#say("/session", proof)));
  }

  /** Null: this browser has no key, or the node asks for none. */
  async #proof(): Promise<Record<string, string> | null> {
    const key = await this.around.browserKey();
    const answer = key === null ? null : await this.#say("/challenge", {});
    if (key === null || answer?.ok !== true) return null;
    const { challenge } = (await answer.json()) as { challenge: string };
    return { key: key.publicKey, challenge, signature: await key.sign(challenge) };
  }

  async #say(path: string, said: Record<string, string>): Promise<Response | null> {
    const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(said) };
    return await this.around.fetch(path, request).catch(() => null);
  }

  async #takeToken(answer: Response | null): Promise<boolean> {
    if (answer?.status !== 200) return false;
    const { token } = (await answer.json()) as { token: string };
    this.around.storage.setItem(TOKEN, token);
    return true;
  }

  /** Asks whoever looks at another window to let this one in; `told` how far that is. */
  async ask(told: (entry: Entry | null) => void, stopped: () => boolean): Promise<boolean> {
    const proof = await this.#proof();
    const asked = proof === null ? null : await this.#say("/ask", proof);
    if (asked?.ok !== true) {
      told({ at: asked?.status === 429 ? "late" : "nobody" });
      return false;
    }
    const { ask, number } = (await asked.json()) as { ask: string; number: string };
    told({ at: "waiting", number });
    let answer: Response | null;
    do answer = await this.#say("/asked", { ask });
    while (answer?.status === 202 && !stopped());
    const letIn = await this.#takeToken(answer);
    told(letIn ? null : { at: answer?.status === 403 ? "denied" : "late" });
    return letIn;
  }
}
