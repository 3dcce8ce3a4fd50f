// The guest's line to the host: a WebSocket to the gateway, and a sealed channel through it.
import { SealError, type Bytes } from "../protocol/bytes.js";
import type { Cipher, Ephemeral, Initiator } from "../protocol/noise.js";
import { guestPrologue, type GuestLink } from "../protocol/guest-link.js";
import { pack, unpack, WireError, type FromGuest, type FromHost } from "../protocol/guest-messages.js";
import { DEAD, MAX_TYPE_CHARS, PING } from "../protocol/tables.js";

/** Why a line ended. The gateway's close codes are in docs/PROTOCOL, Guests. */
export type LineEnd =
  | "lost"
  | "no-door"
  | "host-gone"
  | "too-many"
  | "gateway-stops"
  | "too-slow"
  | "tampered"
  | "malformed"
  | "bye";

const CODES: Record<number, LineEnd> = {
  1001: "gateway-stops",
  4400: "malformed",
  4404: "no-door",
  4408: "too-slow",
  4410: "host-gone",
  4429: "too-many",
};
const HANDSHAKE_LIMIT = 15_000;

/** NOTE: the page shows itself without it, and the line waits for its WebSocket meanwhile. */
const noise = () => import("../protocol/noise.js");

export interface LineOwner {
  heard(message: FromHost): void;
  ended(why: LineEnd): void;
}

export interface LineBrowser {
  connect(): WebSocket;
  /** Milliseconds, never going back. */
  now(): number;
  key(): Promise<Ephemeral>;
}

export const lineBrowser = (url: string): LineBrowser => ({
  connect: () => new WebSocket(url),
  now: () => performance.now(),
  key: async () => (await noise()).freshEphemeral(),
});

export class Line {
  #socket: WebSocket;
  #send: Cipher | null = null;
  #receive: Cipher | null = null;
  #heard: number;
  #timer: ReturnType<typeof setInterval>;
  #over = false;
  /** What came is dealt with in the order it came. */
  #order: Promise<void> = Promise.resolve();
  #noise: Promise<Initiator>;

  constructor(
    link: GuestLink,
    private readonly owner: LineOwner,
    private readonly browser: LineBrowser,
  ) {
    this.#heard = browser.now();
    const began = Promise.all([noise(), browser.key()]).then(([{ Initiator }, ephemeral]) =>
      Initiator.begin({ remoteStatic: link.key, psk: link.psk, prologue: guestPrologue(link.door), ephemeral }),
    );
    this.#noise = began.then(([noise]) => noise);
    // NOTE: nothing is wrong with a link whose page could not load a script just now.
    this.#noise.catch((error: unknown) => this.end(error instanceof SealError ? "malformed" : "lost"));
    this.#socket = browser.connect();
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#socket.send(link.door);
      void began.then(([, message]) => this.#raw(message));
    };
    this.#socket.onmessage = (event: MessageEvent<unknown>) => {
      this.#order = this.#order.then(() => this.#take(event.data));
    };
    // NOTE: what arrived before the close is dealt with first: why we are sent away, say.
    this.#socket.onclose = (event) => {
      this.#order = this.#order.then(() => this.end(CODES[event.code] ?? "lost"));
    };
    this.#timer = setInterval(() => this.#look(), PING);
  }

  /** Whether the host was proven to be at the other end. */
  get open(): boolean {
    return this.#send !== null && !this.#over;
  }

  say(message: FromGuest): void {
    if (this.#send === null || this.#over) return;
    for (const frame of this.#send.say(pack(message), this.browser.now())) this.#raw(frame);
  }

  /** Says good-bye, if there is somebody to say it to, and closes. `ended` is not called. */
  close(): void {
    if (this.#over) return;
    this.say({ t: "bye", reason: "closed" });
    this.#stop();
  }

  end(why: LineEnd): void {
    if (this.#over) return;
    this.#stop();
    this.owner.ended(why);
  }

  #stop(): void {
    this.#over = true;
    clearInterval(this.#timer);
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  #raw(frame: Bytes): void {
    if (!this.#over && this.#socket.readyState === 1) this.#socket.send(frame);
  }

  #look(): void {
    const silent = this.browser.now() - this.#heard;
    if (silent > (this.#send === null ? HANDSHAKE_LIMIT : DEAD)) this.end("lost");
    else if (silent > PING / 2) this.say({ t: "ping", n: 0 });
  }

  async #take(data: unknown): Promise<void> {
    if (this.#over) return;
    this.#heard = this.browser.now();
    if (!(data instanceof ArrayBuffer)) return this.end("malformed");
    try {
      if (this.#receive === null) await this.#finish(new Uint8Array(data));
      else {
        const heard = this.#receive.hear(new Uint8Array(data));
        if (heard !== null) this.#message(unpack(heard));
      }
    } catch (error) {
      if (error instanceof SealError) this.end("tampered");
      else if (error instanceof WireError) this.end("malformed");
      else throw error;
    }
  }

  async #finish(frame: Bytes): Promise<void> {
    const done = await (await this.#noise).finish(frame);
    const length = new DataView(done.payload.buffer, done.payload.byteOffset).getUint32(0);
    if (length !== done.payload.length - 4) throw new WireError("no single message");
    const welcome = unpack(done.payload.slice(4));
    if (welcome.t !== "welcome") throw new WireError("no welcome");
    this.#send = done.send;
    this.#receive = done.receive;
    this.owner.heard(welcome);
  }

  #message(message: FromHost): void {
    switch (message.t) {
      case "ping":
        this.say({ t: "pong", n: message.n });
        break;
      case "pong":
        break;
      case "bye":
        this.say({ t: "bye", reason: "bye" });
        this.end(message.reason === "malformed" ? "tampered" : "bye");
        break;
      case "unknown":
        this.say({ t: "unsupported", type: message.type.slice(0, MAX_TYPE_CHARS) });
        break;
      default:
        this.owner.heard(message);
    }
  }
}

