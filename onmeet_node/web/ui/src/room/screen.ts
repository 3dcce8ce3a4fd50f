// NOTE: a stand-in until the room's own screen is here.
import { html } from "lit";
import { customElement, property } from "lit/decorators.js";
import { OmElement } from "../app/element.js";
import { app } from "../core/context.js";
import type { Participant, RoomShown } from "../core/messages.js";

@customElement("om-room")
export class OmRoom extends OmElement {
  @property({ attribute: false }) room!: RoomShown;

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() => app.media.subscribe(() => this.requestUpdate()));
  }

  override render() {
    return html`<h1>${this.room.title}</h1>
      <p>${this.room.string}</p>
      ${this.room.warnings.map((one) => html`<p role="alert">${one}</p>`)}
      <ul>
        ${this.room.people.map((one) => html`<li>${one.name} ${one.here ? "here" : ""} ${one.media ? "media" : ""} ${this.#video(one)}</li>`)}
      </ul>`;
  }

  #video(one: Participant) {
    const view = one.call === null ? null : app.media.view(one.call);
    return view === null ? null : html`<video autoplay playsinline .srcObject=${view.remote}></video>`;
  }
}
