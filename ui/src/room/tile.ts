// One person: picture or avatar, name, and how one stands with them.
import { html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { OmElement } from "../elements/element.js";
import { app } from "../elements/context.js";
import type { CallMediaView } from "../media/call-media.js";
import type { Participant } from "../node/messages.js";
import type { SendingView } from "../media/sending.js";
import { t } from "../i18n/index.js";
import type { Contact } from "./changes.js";
import { bars, icon } from "./icons.js";
import { tileStyles } from "./tile.styles.js";

/** A picture this much wider or narrower than its tile is shown whole: cropped, it would show no face. */
const MUCH = 2.3;
const REMEDY = { unheard: "room.state.unheard.remedy", unseen: "room.state.unseen.remedy" } as const;

@customElement("om-room-tile")
export class OmRoomTile extends OmElement {
  static override styles = [OmElement.styles, tileStyles];
  @property({ attribute: false }) person!: Participant;
  /** What comes from them; what goes out, if it is oneself. */
  @property({ attribute: false }) media: CallMediaView | null = null;
  @property({ attribute: false }) mine: SendingView | null = null;
  @property() contact: Contact = "fine";
  @property({ type: Boolean, reflect: true }) speaking = false;
  @property({ type: Boolean }) pinned = false;
  /** Large, beside a strip of others: a second press on the same button makes sense there only. */
  @property({ type: Boolean }) alone = false;
  @property() emoji = "";
  @property({ type: Number }) volume = 1;
  @property({ type: Boolean }) deaf = false;

  /** The person wants to hear: a click allows what the browser held back. */
  play(): void {
    void this.#video?.play().catch(() => undefined);
  }

  get #video(): HTMLVideoElement | null {
    return this.renderRoot.querySelector("video");
  }

  get #stream(): MediaStream | null {
    return this.person.me ? (this.mine?.shareStream ?? this.mine?.local ?? null) : (this.media?.remote ?? null);
  }

  /** Whether there is a picture to look at: none of a camera that is off, unless a screen is shared. */
  get #seen(): boolean {
    const { person } = this;
    const sends = person.me || person.sharing || !person.camera_off;
    return sends && (this.#stream?.getVideoTracks().length ?? 0) > 0;
  }

  get #sharing(): boolean {
    return this.person.me ? this.mine?.sharing === true : this.person.sharing;
  }

  override updated(): void {
    const video = this.#video!;
    const { person } = this;
    const stream = this.#stream;
    if (video.srcObject !== stream) {
      video.srcObject = stream;
      const { call } = person;
      if (call !== null && stream !== null) video.requestVideoFrameCallback?.(() => app.media.firstPicture(call));
    }
    this.#fit();
    video.muted = person.me;
    if (person.me) return;
    video.volume = this.volume;
    const { speaker } = app.devices;
    if ("setSinkId" in video && video.sinkId !== speaker)
      void video.setSinkId(speaker).catch(() => undefined);
    if (video.paused && (stream?.getTracks().length ?? 0) > 0 && !this.deaf)
      video.play().catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "NotAllowedError")
          this.dispatchEvent(new CustomEvent("om-deaf", { bubbles: true, composed: true }));
      });
  }

  #fit(): void {
    const video = this.#video!;
    const [picture, tile] = [video.videoWidth / video.videoHeight, this.offsetWidth / this.offsetHeight];
    const apart = Math.max(picture / tile, tile / picture);
    video.classList.toggle("whole", this.#sharing || apart > MUCH);
  }

  #pin(): void {
    this.dispatchEvent(new CustomEvent("om-pin", { detail: this.person.key, bubbles: true, composed: true }));
  }

  override render() {
    const { person, contact, alone } = this;
    const sharing = this.#sharing;
    const seen = this.#seen;
    const name = person.me ? t("room.you") : person.name;
    const picture = person.me ? (this.app.me?.picture ?? null) : person.identity && this.pictureOf(person.identity);
    return html`<video
        autoplay
        playsinline
        class=${person.me && !sharing ? "mirrored" : ""}
        ?hidden=${!seen}
        aria-label=${t("call.remote", { name })}
        @resize=${() => this.#fit()}
        @dblclick=${this.#pin}
      ></video>
      ${seen ? nothing : html`<div class="absent">${this.avatar(person.name, picture ?? null)}</div>`}
      ${this.#wrong()}
      ${person.hand && (contact === "fine" || person.me)
        ? html`<div class="corner"><span class="raised" role="img" aria-label=${t("room.hand")}>${icon("hand")}</span></div>`
        : nothing}
      ${this.emoji === "" ? nothing : html`<div class="emoji" aria-hidden="true">${this.emoji}</div>`}
      <div class="label">
        ${this.#muted ? html`<span class="live">${t("room.muted")}</span>${icon("mic-off")}` : nothing}
        ${sharing
          ? html`<span class="clip">${t(person.me ? "room.screen.yours" : "room.screen.theirs", { name })}</span>`
          : html`<bdi class="clip">${name}</bdi>`}
        ${person.role === "member" ? nothing : html`<span class="role">${t(`room.role.${person.role}`)}</span>`}
        ${person.me || contact !== "fine" ? nothing : this.#network()}
      </div>
      ${alone
        ? nothing
        : html`<button
            class="pin ${this.pinned ? "set" : ""}"
            aria-label=${this.pinned ? t("room.unpin", { name }) : t("room.pin", { name })}
            title=${this.pinned ? t("room.unpin", { name }) : t("room.pin", { name })}
            @click=${this.#pin}
          >
            ${icon("pin")}
          </button>`}`;
  }

  get #muted(): boolean {
    return this.person.me ? this.mine?.muted === true : this.person.muted;
  }

  #network() {
    const grade = this.media?.quality.grade ?? "unknown";
    if (grade === "unknown") return nothing;
    const text = t(`call.network.${grade}`);
    return html`<span role="img" aria-label=${text} title=${text}>${bars(grade)}</span>`;
  }

  #wrong() {
    const { contact } = this;
    if (this.person.me || contact === "fine") return nothing;
    if (contact === "unheard" || contact === "unseen")
      return html`<div class="wrong" title=${t(REMEDY[contact])}>
        <strong>${t(`room.state.${contact}`)}</strong>
        <span class="remedy">${t(REMEDY[contact])}</span>
      </div>`;
    return html`<div class="waiting"><span>${t(`room.state.${contact}`)}</span></div>`;
  }
}
