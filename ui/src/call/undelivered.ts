// Lines of chat that a call ended before: said, and left to be copied.
import { html, nothing } from "lit";
import { app } from "../elements/context.js";
import { t } from "../i18n/index.js";

/** What was written and did not arrive, to be taken elsewhere. */
export function undelivered(call: string | null = null) {
  const lost = app.media.undelivered;
  if (lost === null || lost.texts.length === 0 || (call !== null && lost.call !== call)) return nothing;
  return html`<section class="card stack">
    <h2>${t("after.undelivered")}</h2>
    ${lost.texts.map((text) => html`<p><bdi>${text}</bdi></p>`)}
  </section>`;
}
