// <onmeet-call link="https://…/j#…" lang theme audio video display-name>: a call in a page of another
// site. The call runs in a frame of the gateway's origin; this page's script reaches neither its
// media nor its keys.
import { HANDSHAKE, type EmbedCommand, type EmbedEvent } from "./protocol.js";

const ALLOW = "camera; microphone; display-capture; autoplay; fullscreen; picture-in-picture; screen-wake-lock";

class OnMeetCall extends HTMLElement {
  #port: MessagePort | null = null;
  #early: EmbedCommand[] = [];

  connectedCallback(): void {
    if (this.#port !== null) return;
    const link = this.#link();
    if (link === null) {
      this.textContent = "onmeet-call: its link is no guest link (https://…/j#…).";
      return;
    }
    // NOTE: closed, and the attribute is removed: what else runs in this page does not come by the
    // link without having read the page's own source.
    const root = this.attachShadow({ mode: "closed" });
    this.removeAttribute("link");
    const frame = document.createElement("iframe");
    frame.allow = ALLOW;
    frame.title = this.getAttribute("aria-label") ?? "On-Meet";
    frame.referrerPolicy = "no-referrer";
    frame.setAttribute("style", "border:0;inline-size:100%;block-size:100%;display:block");
    frame.addEventListener("load", () => this.#connect(frame, link.origin), { once: true });
    frame.src = `${link.origin}/e${link.hash}`;
    if (this.style.display === "") this.style.display = "block";
    root.append(frame);
  }

  disconnectedCallback(): void {
    this.#port?.close();
    this.#port = null;
  }

  mute(on = true): void {
    this.#say({ command: "mute", on });
  }

  camera(on: boolean): void {
    this.#say({ command: "camera", on });
  }

  share(on: boolean): void {
    this.#say({ command: "share", on });
  }

  hangup(): void {
    this.#say({ command: "hangup" });
  }

  #link(): URL | null {
    try {
      const url = new URL(this.getAttribute("link") ?? "");
      const safe = url.protocol === "https:" || ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
      return safe && url.hash.length > 1 ? url : null;
    } catch {
      return null;
    }
  }

  #connect(frame: HTMLIFrameElement, origin: string): void {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event: MessageEvent<EmbedEvent>) => {
      const { event: name, ...detail } = event.data;
      this.dispatchEvent(new CustomEvent(`onmeet-${name}`, { detail, bubbles: true }));
    };
    this.#port = port1;
    frame.contentWindow?.postMessage(HANDSHAKE, origin, [port2]);
    const { lang } = this;
    const theme = this.getAttribute("theme");
    const name = this.getAttribute("display-name");
    if (lang !== "") this.#say({ command: "language", language: lang.split("-")[0] as "en" });
    if (theme !== null) this.#say({ command: "theme", theme: theme as "auto" });
    if (name !== null) this.#say({ command: "display-name", name: name.slice(0, 40) });
    if (this.getAttribute("audio") === "off") this.mute();
    if (this.getAttribute("video") === "off") this.camera(false);
    for (const command of this.#early.splice(0)) this.#say(command);
  }

  #say(command: EmbedCommand): void {
    if (this.#port === null) this.#early.push(command);
    else this.#port.postMessage(command);
  }
}

customElements.define("onmeet-call", OnMeetCall);
