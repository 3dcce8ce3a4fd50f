// The base of all elements: shared looks, and a new look whenever state, devices or language change.
import { html, LitElement, type CSSResultGroup } from "lit";
import { app } from "./context.js";
import { LinkLost, RefusedError, type AppState } from "../node/client.js";
import { has, inOurs, onLanguage, t } from "../i18n/index.js";
import { shared } from "./styles.js";

export class OmElement extends LitElement {
  static override styles: CSSResultGroup = shared;
  #ends: (() => void)[] = [];

  /** Runs `begin` while the element is on the page; it gives the function that ends it. */
  protected attend(begin: () => () => void): void {
    this.#ends.push(begin());
  }

  protected get app(): AppState {
    return app.client.state;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const again = () => this.requestUpdate();
    this.attend(() => app.client.subscribe(again));
    this.attend(() => onLanguage(again));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const end of this.#ends.splice(0)) end();
  }

  /** A person's picture, or their initials. Their name stands beside it. */
  protected avatar(name: string, picture: string | null) {
    const url = picture === null ? null : app.pictures.url(picture, () => this.requestUpdate());
    return html`<span class="avatar" aria-hidden="true"
      >${url === null ? html`<bdi>${initials(name)}</bdi>` : html`<img src=${url} alt="" />`}</span
    >`;
  }

  /** The picture of whoever this is, as we know them. */
  protected pictureOf(identity: string): string | null {
    return this.app.people.find((one) => one.identity === identity)?.picture ?? null;
  }

  protected field(id: string): HTMLInputElement {
    return this.renderRoot.querySelector<HTMLInputElement>(`#${id}`)!;
  }
}

/** What to tell a person of a refused request: our words where we have them, else the node's. */
export function words(error: unknown): string {
  if (error instanceof RefusedError) {
    const key = `refused.${error.kind}`;
    if (has(key)) return t(key);
    return error instanceof LinkLost || error.sentence === "" ? t("failed.generic") : (inOurs(error.sentence) ?? error.sentence);
  }
  return t("failed.generic");
}

/** What the node says, in the language of this page; else as it is, for who reads and who hears it. */
export function said(sentence: string, looks = "") {
  const text = inOurs(sentence);
  return text === null
    ? html`<p class=${looks} lang="en" dir="ltr">${sentence}</p>`
    : html`<p class=${looks}><bdi>${text}</bdi></p>`;
}

const CHARACTERS = typeof Intl.Segmenter === "function" ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

/** What a person sees as the first character of a word: a flag, a family, a letter with its marks. */
function first(word: string): string {
  if (CHARACTERS === null) return [...word][0] ?? "";
  for (const { segment } of CHARACTERS.segment(word)) return segment;
  return "";
}

/** One or two letters for somebody without a picture. */
export function initials(name: string): string {
  return name
    .split(/\s+/u)
    .filter((word) => word !== "")
    .slice(0, 2)
    .map((word) => first(word))
    .join("")
    .toUpperCase();
}
