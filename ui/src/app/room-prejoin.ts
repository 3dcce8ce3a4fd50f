// Before a room: what will be sent, and for a new one, who may come in.
import { html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import "../call/preview.js";
import { app } from "../elements/context.js";
import { NEW_ROOM } from "../media/media.js";
import type { Kind } from "../node/messages.js";
import { t } from "../i18n/index.js";
import { OmElement, words } from "../elements/element.js";

/** A room that somebody wants to be in. */
export type RoomWish =
  | { how: "new"; title: string; standing: boolean }
  | { how: "code"; code: string }
  | { how: "invitation"; room: string; title: string };

const KINDS: Kind[] = ["audio", "video"];

@customElement("om-room-prejoin")
export class OmRoomPrejoin extends OmElement {
  @property({ attribute: false }) wish!: RoomWish;
  @state() private busy = false;
  @state() private trouble = "";
  #going = false;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    if (!this.#going) app.devices.closePreview();
  }

  async #go(): Promise<void> {
    this.busy = this.#going = true;
    this.trouble = "";
    app.devices.keepPreviewFor(NEW_ROOM);
    try {
      const { room } = await this.#ask();
      app.devices.keepPreviewFor(room);
      this.#end();
    } catch (error) {
      this.trouble = words(error);
      this.busy = this.#going = false;
    }
  }

  #ask() {
    const { wish } = this;
    switch (wish.how) {
      case "new": {
        const { title, standing } = wish;
        const knock = this.field("knock").checked;
        return app.client.ask({ t: "new-room", title, standing, knock, kinds: KINDS }, "room-made");
      }
      case "code":
        return app.client.ask({ t: "join-room", code: wish.code, kinds: KINDS }, "room-made");
      case "invitation":
        return app.client.ask({ t: "join-room", room: wish.room, kinds: KINDS }, "room-made");
    }
  }

  #end(): void {
    this.dispatchEvent(new CustomEvent("om-prejoin-end", { bubbles: true, composed: true }));
  }

  override render() {
    const title = this.wish.how === "code" ? "" : this.wish.title;
    return html`<div class="stack">
      <div class="tight">
        <h1>${t("rooms.prejoin")}</h1>
        ${title === "" ? nothing : html`<p class="quiet"><bdi>${title}</bdi></p>`}
      </div>
      <om-preview></om-preview>
      ${this.wish.how === "new"
        ? html`<label class="check"><input id="knock" type="checkbox" />${t("rooms.knock")}</label>`
        : nothing}
      <p class="quiet small">${t("rooms.shown")}</p>
      <p class="bad" role="alert">${this.trouble}</p>
      <div class="row">
        <button class="main" autofocus ?disabled=${this.busy} @click=${this.#go}>${t("rooms.enter")}</button>
        <button @click=${this.#end}>${t("cancel")}</button>
      </div>
    </div>`;
  }
}
