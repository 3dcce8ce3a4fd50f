// A room that is over: why, and how to come in again.
import { html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { OmElement, said } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { RoomEnd, RoomOver } from "../node/messages.js";
import { t } from "../i18n/index.js";

/** Ends after which the way by which one came is open still. */
const AGAIN: ReadonlySet<RoomEnd> = new Set(["left", "host-gone", "no-answer", "full", "fault"]);
const ASK: ReadonlySet<RoomEnd> = new Set(["removed", "denied", "locked"]);

@customElement("om-room-over")
export class OmRoomOver extends OmElement {
  @property({ attribute: false }) over!: RoomOver;

  override render() {
    const { reason, title, sentence } = this.over;
    const again = AGAIN.has(reason) ? t("room.again") : ASK.has(reason) ? t("room.again.ask") : null;
    return html`<div class="stack" role="status">
      <h1>${t("room.over")}</h1>
      ${title === "" ? nothing : html`<p class="quiet"><bdi>${title}</bdi></p>`}
      <p>${t(`room.over.${reason}`)}</p>
      ${again === null ? nothing : html`<p>${again}</p>`}
      ${sentence === "" || reason === "left" ? nothing : said(sentence, "quiet small")}
      <div class="row">
        <button class="main" autofocus @click=${() => app.client.dismissRoomOver()}>${t("close")}</button>
      </div>
    </div>`;
  }
}
