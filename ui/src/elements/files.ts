// Choosing a file: the browser's own control speaks the browser's language, not the page's.
import { css, html } from "lit";
import { t } from "../i18n/index.js";

export const fileStyles = css`
  label.file {
    justify-items: start;
  }
  label.file input {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    min-block-size: 0;
    padding: 0;
    overflow: hidden;
    clip-path: inset(50%);
  }
  label.file .button {
    font-weight: 400;
  }
  label.file input:focus-visible + .button {
    outline: 3px solid var(--focus);
    outline-offset: 2px;
  }
`;

/** `accept`: kinds of file, one of which may be chosen; none: a file of any kind must be. `chosen`: its name. */
export function fileField(label: string, chosen: string | null, accept: string, change: (input: HTMLInputElement) => void) {
  return html`<label class="grow file"
    >${label}
    <input
      id="file"
      type="file"
      accept=${accept}
      ?required=${accept === ""}
      aria-label=${label}
      @change=${(event: Event) => change(event.target as HTMLInputElement)} />
    <span class="button" aria-hidden="true"><bdi>${chosen ?? t("file.choose")}</bdi></span></label
  >`;
}
