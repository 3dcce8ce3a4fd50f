// How others come in: an invitation, the link for guests, the room code; and the number to compare.
import { css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { OmElement, words } from "../elements/element.js";
import "../elements/qr.js";
import { app } from "../elements/context.js";
import type { RoomShown } from "../node/messages.js";
import { copied } from "../elements/optional.js";
import { t } from "../i18n/index.js";

@customElement("om-room-door")
export class OmRoomDoor extends OmElement {
  static override styles = [
    OmElement.styles,
    css`
      :host {
        display: grid;
        gap: 1.25rem;
      }
      .string {
        font-size: 1.35rem;
        font-weight: 700;
        letter-spacing: 0.03em;
      }
      textarea {
        resize: none;
      }
      li {
        flex-wrap: nowrap;
      }
      li .grow {
        flex-basis: 0;
      }
    `,
  ];
  @property({ attribute: false }) room!: RoomShown;
  @state() private rows: readonly string[] = [];
  @state() private told = "";
  @state() private trouble = "";
  @state() private busy = false;
  #drawn: string | null = null;

  override willUpdate(): void {
    const { link } = this.room;
    if (link === this.#drawn) return;
    this.#drawn = link;
    this.rows = [];
    if (link === null) return;
    app.client.ask({ t: "draw-qr", text: link }, "qr").then(
      (qr) => (this.rows = qr.rows),
      () => undefined, // the link itself is there
    );
  }

  async #make(): Promise<void> {
    this.busy = true;
    this.trouble = this.told = "";
    try {
      const { url } = await app.client.ask({ t: "link-to-room", room: this.room.room }, "room-link");
      await this.#copy(url);
    } catch (error) {
      this.trouble = words(error);
    } finally {
      this.busy = false;
    }
  }

  async #copy(text: string): Promise<void> {
    this.told = (await copied(text)) ? t("copied") : ""; // else the field stands there to be copied by hand
  }

  async #invite(identity: string, name: string): Promise<void> {
    this.trouble = this.told = "";
    try {
      const { delivered } = await app.client.ask({ t: "invite-to-room", room: this.room.room, who: identity }, "invited");
      this.told = t(delivered ? "room.invited" : "room.invited.later", { name });
    } catch (error) {
      this.trouble = words(error);
    }
  }

  override render() {
    const { room } = this;
    const inside = new Set(room.people.map((one) => one.identity));
    const contacts = this.app.people.filter((one) => one.status === "accepted" && !inside.has(one.identity));
    return html`<section class="tight">
        <h3>${t("room.string")}</h3>
        ${room.string === null ? nothing : html`<p class="string" dir="ltr">${room.string}</p>`}
        <p class="quiet small">${t(room.string === null ? "room.string.wait" : "room.string.lead")}</p>
      </section>
      ${room.role === "guest" ? nothing : this.#ways(contacts)}
      <p class="bad" role="alert">${this.trouble}</p>
      <p class="small" role="status">${this.told}</p>`;
  }

  #ways(contacts: readonly { identity: string; name: string; picture: string | null }[]) {
    const { link, code } = this.room;
    return html`<section class="stack">
      <h3>${t("room.invite")}</h3>
      <ul class="list" ?hidden=${contacts.length === 0}>
        ${repeat(
          contacts,
          (one) => one.identity,
          (one) => html`<li class="row">
            ${this.avatar(one.name, one.picture)}
            <bdi class="grow">${one.name}</bdi>
            <button
              aria-label=${t("room.invite.contact", { name: one.name })}
              @click=${() => this.#invite(one.identity, one.name)}
            >
              ${t("room.invite")}
            </button>
          </li>`,
        )}
      </ul>
      ${link === null
        ? html`<div class="tight">
            <button ?disabled=${this.busy} @click=${this.#make}>${t("room.link.make")}</button>
            <span class="quiet small">${t("room.link.hint")}</span>
          </div>`
        : html`${this.#field(t("room.link"), link, 3)}<om-qr .rows=${this.rows} label=${t("room.link.qr")}></om-qr>`}
      ${code === null ? nothing : this.#field(t("room.code"), code, 3)}
    </section>`;
  }

  #field(label: string, text: string, rows: number) {
    return html`<div class="stack">
      <label>${label} <textarea class="mono small" rows=${rows} readonly .value=${text}></textarea></label>
      <div class="row"><button @click=${() => this.#copy(text)}>${t("copy")}</button></div>
    </div>`;
  }
}
