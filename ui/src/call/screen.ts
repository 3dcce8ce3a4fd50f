// The call: the other person large, oneself in a corner, and everything one does in a call.
import { html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { OmElement, words } from "../elements/element.js";
import { app } from "../elements/context.js";
import { meter, type Meter } from "../media/devices.js";
import type { CallMediaView } from "../media/call-media.js";
import type { CallAction, CallShown } from "../node/messages.js";
import { clock, t } from "../i18n/index.js";
import { asks, compared, question, withoutNumber } from "./compare.js";
import { details } from "./details.js";
import { Closed, closing, troubleTexts } from "./hints.js";
import { OmLive } from "./live-screen.js";
import { screenStyles } from "./screen.styles.js";
import { moved, nearest, type Corner } from "./selfview.js";
import { ACTIONS, type Action } from "./shortcuts.js";

type Panel = "chat" | "details" | "devices" | null;
const HELP = [
  ["M", "keys.m"],
  ["V", "keys.v"],
  ["D", "keys.d"],
  ["C", "keys.c"],
  ["R", "keys.r"],
  ["␣", "keys.space"],
  ["?", "keys.help"],
] as const;

@customElement("om-call-screen")
export class OmCallScreen extends OmLive<Action> {
  static override styles = [OmElement.styles, screenStyles];
  @property({ attribute: false }) call!: CallShown;
  @state() private panel: Panel = null;
  @state() private corner: Corner = "bottom-end";
  @state() private deaf = false;
  @state() private volume = 1;
  @state() private trouble = "";
  @state() private said = "";
  @state() private speaking = false;
  /** The call in which the person does not want to compare the number now. */
  @state() private later: string | null = null;
  protected readonly keys = ACTIONS;
  protected readonly help = HELP;
  #theirs: { stream: MediaStream; meter: Meter } | null = null;
  #lines = 0;
  #closed = new Closed();

  override connectedCallback(): void {
    super.connectedCallback();
    this.attend(() => app.media.subscribe((call) => this.#mediaChanged(call)));
    this.attend(() => () => this.#theirs?.meter.close());
  }

  protected get target(): string {
    return this.call.call;
  }

  protected get muted(): boolean | null {
    return this.#view?.muted ?? null;
  }

  get #view(): CallMediaView | null {
    return this.call.page === this.app.welcome?.page ? app.media.view(this.call.call) : null;
  }

  #mediaChanged(call: string): void {
    if (call !== this.call.call) return;
    const lines = this.#view?.chat ?? [];
    const last = lines.at(-1);
    if (lines.length > this.#lines && last !== undefined && !last.mine && this.panel !== "chat")
      this.said = t("chat.new", { name: this.call.name, text: last.text });
    this.#lines = lines.length;
    this.requestUpdate();
  }

  protected override tick(): void {
    const remote = this.#view?.remote;
    if (remote !== undefined && remote !== this.#theirs?.stream && remote.getAudioTracks().length > 0) {
      this.#theirs?.meter.close();
      this.#theirs = { stream: remote, meter: meter(remote) };
    }
    this.speaking = this.#theirs?.meter.speaking() ?? false;
    this.requestUpdate(); // the clock
  }

  // ── what a person does ──────────────────────────────────────────────────────────────────────────
  protected override act(action: Action, pressed = true): void {
    const view = this.#view;
    if (view === null) return;
    const call = this.call.call;
    switch (action) {
      case "mute":
        void this.#mute(!view.muted);
        break;
      case "camera":
        if (view.takesPicture) void app.media.setCameraOff(call, !view.cameraOff);
        break;
      case "share":
        if (!view.takesPicture) break;
        void (view.sharing ? app.media.stopShare(call) : app.media.startShare(call));
        break;
      case "chat":
      case "details":
        this.#open(action);
        break;
      case "talk":
        this.talk(pressed);
        break;
      case "help":
        this.showHelp();
        break;
    }
  }

  async #mute(muted: boolean): Promise<void> {
    await this.setMuted(muted);
    this.said = t(this.#view?.muted ? "call.muted.now" : "call.unmuted.now");
  }

  #open(panel: Panel): void {
    this.panel = this.panel === panel ? null : panel;
    void this.updateComplete.then(() =>
      this.renderRoot.querySelector<HTMLElement>(".panel button")?.focus(),
    );
  }

  async #do(action: CallAction): Promise<void> {
    await app.client
      .ask({ t: "change-call", call: this.call.call, action }, "done")
      .catch((error: unknown) => (this.trouble = words(error)));
  }

  #drag(event: PointerEvent): void {
    const element = event.currentTarget as HTMLElement;
    const stage = this.renderRoot.querySelector<HTMLElement>(".stage")!;
    element.setPointerCapture(event.pointerId);
    element.onpointerup = (end) => {
      element.onpointerup = null;
      const box = stage.getBoundingClientRect();
      this.corner = nearest(end.clientX - box.left, end.clientY - box.top, box.width, box.height, this.#rtl);
    };
  }

  get #rtl(): boolean {
    return document.documentElement.dir === "rtl";
  }

  // ── what is shown ───────────────────────────────────────────────────────────────────────────────
  override updated(): void {
    const view = this.#view;
    const remote = this.renderRoot.querySelector<HTMLVideoElement>(".remote");
    if (remote !== null && view !== null) {
      if (remote.srcObject !== view.remote) {
        remote.srcObject = view.remote;
        remote.requestVideoFrameCallback?.(() => app.media.firstPicture(this.call.call));
      }
      if (remote.paused && view.remote.getTracks().length > 0 && !this.deaf)
        remote.play().catch((error: unknown) => {
          if (error instanceof DOMException && error.name === "NotAllowedError") this.deaf = true;
        });
      remote.volume = this.volume;
      const { speaker } = app.devices;
      if ("setSinkId" in remote && remote.sinkId !== speaker)
        void remote.setSinkId(speaker).catch(() => undefined);
    }
    const mine = this.renderRoot.querySelector<HTMLVideoElement>(".self video");
    const shown = view?.shareStream ?? view?.local ?? null;
    if (mine !== null && mine.srcObject !== shown) mine.srcObject = shown;
  }

  override render() {
    const { call } = this;
    const view = this.#view;
    if (view === null) return this.#elsewhere();
    const media = call.peer_media;
    const seen = view.quality.videoIn !== null;
    const absent = media === null ? !seen : media.camera_off && !media.sharing;
    const name = call.name;
    return html`<div class="stage">
        <video
          class="remote"
          autoplay
          playsinline
          aria-label=${t("call.remote", { name })}
          ?hidden=${absent}
        ></video>
        ${absent
          ? html`<div class="absent ${this.speaking ? "speaking" : ""}">
              ${this.avatar(name, this.pictureOf(call.identity))}
              ${media?.camera_off ? html`<p>${t("call.peer.camera", { name })}</p>` : nothing}
            </div>`
          : nothing}
        <div class="top">
          <h1><bdi>${name}</bdi></h1>
          <span>${call.answered === null ? "" : clock(Math.max(0, Date.now() / 1_000 - call.answered))}</span>
          <span class="row" title=${t(`call.network.${view.quality.grade}`)}>
            <span class="dot ${view.quality.grade}"></span>
            <span class="wide">${t(`call.network.${view.quality.grade}`)}</span>
          </span>
          ${this.speaking ? html`<span class="wide">${t("call.speaking", { name })}</span>` : nothing}
        </div>
        <div class="hints">
          <span class="live" role="status">${this.said}</span>
          ${repeat(
            this.#closed.left(this.#hints(view)),
            (hint) => hint,
            (hint) =>
              html`<span class="hint" role="status">${hint} ${closing(this.#closed, hint, () => this.requestUpdate())}</span>`,
          )}
          ${this.#asked ? question(call, () => (this.later = call.call)) : nothing}
          ${this.deaf
            ? html`<button
                class="main"
                @click=${() => {
                  this.deaf = false;
                }}
              >
                ${t("call.hear", { name })}
              </button>`
            : nothing}
        </div>
        ${view.local?.getVideoTracks().length || view.sharing
          ? html`<button
              class="self ${this.corner} ${view.sharing ? "sharing" : ""}"
              aria-label=${t("call.self")}
              @pointerdown=${this.#drag}
              @keydown=${(event: KeyboardEvent) => {
                const corner = moved(this.corner, event.key, this.#rtl);
                if (corner === null) return;
                event.preventDefault();
                this.corner = corner;
              }}
            >
              <video autoplay muted playsinline></video>
            </button>`
          : nothing}
        ${this.panel === null ? nothing : this.#panel(view)}
      </div>
      ${this.#bar(view)} ${this.helpDialog()}`;
  }

  get #asked(): boolean {
    return this.later !== this.call.call && asks(this.call, this.app.people);
  }

  #hints(view: CallMediaView): string[] {
    const { call } = this;
    const name = call.name;
    const hints: string[] = [];
    if (call.state === "connecting") hints.push(t("call.connecting"));
    if (call.state === "reconnecting") hints.push(t("call.reconnecting"));
    if (call.peer_media?.muted) hints.push(t("call.peer.muted", { name }));
    if (call.peer_media?.sharing) hints.push(t("call.peer.sharing", { name }));
    const said = compared(call);
    // That they say yes stands in the question, as long as it is open.
    if (said !== null && !(this.#asked && call.peer_compared)) hints.push(said);
    if (call.doubt === "wrong") hints.push(withoutNumber(call));
    hints.push(...troubleTexts(view.trouble));
    if (this.trouble !== "") hints.push(this.trouble);
    return hints;
  }

  #bar(view: CallMediaView) {
    const call = this.call.call;
    const stage = () => this.renderRoot.querySelector<HTMLElement>(".stage")!;
    const video = () => this.renderRoot.querySelector<HTMLVideoElement>(".remote")!;
    return html`<div class="bar" role="toolbar" aria-label=${t("call.with", { name: this.call.name })}>
      <button class=${view.muted ? "off" : ""} @click=${() => this.#mute(!view.muted)}>
        ${view.muted ? t("call.unmute") : t("call.mute")}
      </button>
      <button
        class=${view.cameraOff ? "off" : ""}
        ?disabled=${!view.takesPicture}
        title=${view.takesPicture ? "" : t("call.voice.only", { name: this.call.name })}
        @click=${() => app.media.setCameraOff(call, !view.cameraOff)}>
        ${view.cameraOff ? t("call.camera.on") : t("call.camera.off")}
      </button>
      <button class=${view.sharing ? "on" : ""} ?disabled=${!view.takesPicture} @click=${() => this.act("share")}>
        ${view.sharing ? t("call.share.stop") : t("call.share")}
      </button>
      <button aria-pressed=${this.panel === "chat"} @click=${() => this.#open("chat")}>${t("call.chat")}</button>
      <button aria-pressed=${this.panel === "details"} @click=${() => this.#open("details")}>
        ${t("call.more")}
      </button>
      <button aria-pressed=${this.panel === "devices"} @click=${() => this.#open("devices")}>
        ${t("call.devices")}
      </button>
      ${document.fullscreenEnabled
        ? html`<button
            class="wide"
            @click=${() => (document.fullscreenElement ? document.exitFullscreen() : stage().requestFullscreen())}
          >
            ${t("call.fullscreen")}
          </button>`
        : nothing}
      ${document.pictureInPictureEnabled
        ? html`<button
            class="wide"
            @click=${() =>
              (document.pictureInPictureElement
                ? document.exitPictureInPicture()
                : video().requestPictureInPicture()
              ).catch(() => undefined)}
          >
            ${t("call.pip")}
          </button>`
        : nothing}
      <button class="danger" @click=${() => this.#do("hang-up")}>${t("call.hangup")}</button>
    </div>`;
  }

  #panel(view: CallMediaView) {
    const close = html`<div class="row spread">
      <button @click=${() => (this.panel = null)}>${t("close")}</button>
    </div>`;
    switch (this.panel) {
      case "chat":
        return html`<aside class="panel" aria-label=${t("chat.title")}>
          ${close}<om-chat .taken=${this.call.chats} .call=${this.call.call} .name=${this.call.name} .lines=${view.chat}></om-chat>
        </aside>`;
      case "devices":
        return html`<aside class="panel" aria-label=${t("call.devices")}>
          ${close}
          <div class="stack">
            <om-devices .call=${this.call.call}></om-devices>
            <label
              >${t("call.volume")}
              <input
                type="range"
                min="0"
                max="1"
                step="0.05"
                .value=${String(this.volume)}
                @input=${(e: Event) => (this.volume = Number((e.target as HTMLInputElement).value))}
            /></label>
          </div>
        </aside>`;
      default:
        return html`<aside class="panel" aria-label=${t("call.more")}>
          ${close}${details(this.call, view.quality, this.app.people)}
        </aside>`;
    }
  }

  #elsewhere() {
    return html`<div class="stage">
        <div class="absent">
          ${this.avatar(this.call.name, this.pictureOf(this.call.identity))}
          <h1>${t("call.with", { name: this.call.name })}</h1>
          <p role="status">
            ${this.call.page === null ? t("call.elsewhere.headless") : t("call.elsewhere")}
          </p>
          <button class="main" @click=${() => this.#do("move-here")}>${t("call.movehere")}</button>
          <p role="alert">${this.trouble}</p>
        </div>
      </div>
      <div class="bar">
        <button class="danger" @click=${() => this.#do("hang-up")}>${t("call.hangup")}</button>
      </div>`;
  }
}
