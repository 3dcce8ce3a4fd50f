// <onmeet-call link="https://…/j#…" lang theme audio video display-name>: a call in a page of another
// site. The call runs in a frame of the gateway's origin; this page's script reaches neither its
// media nor its keys.
import { pagePolicy } from "../media/trouble.js";
import { HANDSHAKE, type EmbedCommand, type EmbedEvent, type EmbedTrouble } from "./protocol.js";
import { MAX_GUEST_NAME_CHARS } from "../protocol/tables.js";

const NEEDED = ["camera", "microphone", "display-capture", "autoplay"];
const ALLOW = [...NEEDED, "fullscreen", "picture-in-picture", "screen-wake-lock"].join("; ");
const FRAME_DIRECTIVES: ReadonlySet<string> = new Set(["frame-src", "child-src", "default-src"]);
/** For the frame to say that it is there: a site that the operator does not allow hears nothing. */
const SILENCE_MS = 15_000;
// NOTE: sheets and properties that script sets pass a policy of style-src 'self'; a style attribute does not.
const LOOKS = ":host { display: block } :host([hidden]) { display: none } iframe { border: 0; inline-size: 100%; block-size: 100%; display: block }";

class OnMeetCall extends HTMLElement {
  static observedAttributes = ["link", "lang", "theme", "display-name", "audio", "video"];
  #port: MessagePort | null = null;
  #early: EmbedCommand[] = [];
  #link: URL | null = null;
  #frame: HTMLIFrameElement | null = null;
  #named: string | null = null;
  #silence: ReturnType<typeof setTimeout> | undefined;

  connectedCallback(): void {
    document.addEventListener("securitypolicyviolation", this.#refused);
    if (this.#frame !== null) return; // moved: the browser loads the frame anew, and the guest is back by themselves
    if (this.#link === null) this.#take();
  }

  /** NOTE: with `moveBefore` a page may move the element, and the call in it goes on. */
  connectedMoveCallback(): void {
    // nothing was taken away
  }

  disconnectedCallback(): void {
    document.removeEventListener("securitypolicyviolation", this.#refused);
    clearTimeout(this.#silence);
    this.#port?.close();
    this.#port = null;
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (name === "link") {
      if (now !== null && this.isConnected) this.#take();
    } else if (this.#port !== null && before !== now) this.#tell(name);
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

  /** Takes the link out of its attribute, and shows the call that it leads to. */
  #take(): void {
    const link = read(this.getAttribute("link") ?? "");
    if (link === null) {
      this.textContent = "onmeet-call: its link is no guest link (https://…/j#…).";
      return this.#trouble({ why: "link" });
    }
    // NOTE: the shadow tree is closed, and the attribute removed: what else runs in this page does not
    // come by the link without having read the page's own source.
    this.#link = link;
    this.removeAttribute("link");
    this.textContent = "";
    this.#named = null;
    const src = `${link.origin}/e${link.hash}`;
    if (this.#frame === null) this.#frame = this.#make(src);
    else this.#frame.src = src;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#trouble({ why: "no-answer" }), SILENCE_MS);
    const policy = pagePolicy();
    const missing = policy === undefined ? [] : NEEDED.filter((one) => !policy.allowsFeature(one));
    if (missing.length > 0) this.#trouble({ why: "permissions-policy", missing });
  }

  #make(src: string): HTMLIFrameElement {
    const root = this.attachShadow({ mode: "closed" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(LOOKS);
    root.adoptedStyleSheets = [sheet];
    const frame = document.createElement("iframe");
    frame.allow = ALLOW;
    frame.title = this.getAttribute("aria-label") ?? "On-Meet";
    frame.referrerPolicy = "no-referrer";
    // Each time: a frame loads anew when it is moved, and when the guest reloads it.
    frame.addEventListener("load", () => this.#connect(frame));
    frame.src = src; // before it is in the page: an empty one would load first
    root.append(frame);
    return frame;
  }

  #connect(frame: HTMLIFrameElement): void {
    if (this.#link === null) return;
    this.#port?.close();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event: MessageEvent<EmbedEvent>) => {
      clearTimeout(this.#silence);
      const { event: name, ...detail } = event.data;
      this.#dispatch(name, detail);
    };
    this.#port = port1;
    frame.contentWindow?.postMessage(HANDSHAKE, this.#link.origin, [port2]);
    for (const name of OnMeetCall.observedAttributes) if (this.hasAttribute(name)) this.#tell(name, true);
    for (const command of this.#early.splice(0)) this.#say(command);
  }

  /** What an attribute says. `begin`: to a frame that has just loaded. */
  #tell(name: string, begin = false): void {
    const value = this.getAttribute(name);
    if (name === "lang" && value) this.#say({ command: "language", language: value.split("-")[0] as "en" });
    if (name === "theme") this.#say({ command: "theme", theme: (value ?? "auto") as "auto" });
    // A frame that loads anew keeps what the guest made of their name.
    if (name === "display-name" && !(begin && value === this.#named)) {
      this.#named = value;
      this.#say({ command: "display-name", name: (value ?? "").slice(0, MAX_GUEST_NAME_CHARS) });
    }
    // An attribute that goes opens nothing, and one that was there from the beginning closes only.
    if (name === "audio" && (value === "off" || (value === "on" && !begin))) this.mute(value === "off");
    if (name === "video" && (value === "off" || (value === "on" && !begin))) this.camera(value === "on");
  }

  #refused = (event: SecurityPolicyViolationEvent): void => {
    const ours = this.#link !== null && event.blockedURI.startsWith(this.#link.origin);
    if (!ours || !FRAME_DIRECTIVES.has(event.effectiveDirective)) return;
    clearTimeout(this.#silence);
    this.#trouble({ why: "frame-src" });
  };

  #trouble(detail: EmbedTrouble): void {
    this.#dispatch("trouble", detail);
  }

  #dispatch(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(`onmeet-${name}`, { detail, bubbles: true }));
  }

  #say(command: EmbedCommand): void {
    if (this.#port === null) this.#early.push(command);
    else this.#port.postMessage(command);
  }
}

function read(text: string): URL | null {
  try {
    const url = new URL(text);
    const safe = url.protocol === "https:" || ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
    return safe && url.hash.length > 1 ? url : null;
  } catch {
    return null;
  }
}

customElements.define("onmeet-call", OnMeetCall);
