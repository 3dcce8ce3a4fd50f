// How one session's sound and picture are encoded: within what the node allows, and what the path carries.
import type { Kind } from "../node/messages.js";
import type { SendLimits } from "../protocol/room-send-limits.js";
import { encodingOf, FIRST_BITRATE, LEAST_BITRATE, MOST_BITRATE, SHARE_BITRATE } from "./encoding.js";

export class Encoder {
  #track: MediaStreamTrack | null = null;
  #share = false;
  #bitrate = FIRST_BITRATE;
  #limits: SendLimits | null = null;
  /** The browser did not take the last change of these. */
  #unlimited = false;

  /** `sender`: of a kind; undefined while there is none, or no more. */
  constructor(private readonly sender: (kind: Kind) => RTCRtpSender | undefined) {}

  /** What goes out as picture from now on; null: nothing. `share`: of a screen. */
  sends(track: MediaStreamTrack | null, share: boolean): void {
    this.#track = track;
    this.#share = share;
  }

  /** The most that may go out as picture from now on, whatever the path carries. */
  async limit(limits: SendLimits): Promise<void> {
    this.#limits = limits;
    await this.apply();
  }

  /** Video takes what the path is said to carry, less what sound needs. */
  async follow(availableBps: number | null): Promise<void> {
    if (availableBps === null) return;
    const most = this.#share ? SHARE_BITRATE : MOST_BITRATE;
    const next = Math.max(LEAST_BITRATE, Math.min(most, Math.round(availableBps * 0.85)));
    if (Math.abs(next - this.#bitrate) >= this.#bitrate * 0.1) this.#bitrate = next;
    else if (!this.#unlimited) return;
    await this.apply();
  }

  /** Where the path carries too little, the picture gives way. */
  async soundFirst(): Promise<void> {
    await this.#encode("audio", (encoding) => (encoding.priority = encoding.networkPriority = "high"));
  }

  async apply(): Promise<void> {
    this.#unlimited = false;
    if (this.#track === null && this.#limits === null) return;
    const height = this.#track?.getSettings().height ?? null;
    await this.#encode("video", (encoding, parameters) => {
      const { maxFramerate, ...rest } = encodingOf(this.#bitrate, this.#share, this.#limits, height);
      Object.assign(encoding, rest);
      if (maxFramerate === null) delete encoding.maxFramerate;
      else encoding.maxFramerate = maxFramerate;
      parameters.degradationPreference = this.#share ? "maintain-resolution" : "balanced";
    });
  }

  async #encode(
    kind: Kind,
    change: (encoding: RTCRtpEncodingParameters, parameters: RTCRtpSendParameters) => void,
  ): Promise<void> {
    const sender = this.sender(kind);
    if (sender === undefined) return;
    const parameters = sender.getParameters();
    const encoding = parameters.encodings[0];
    if (encoding === undefined) return;
    change(encoding, parameters);
    try {
      await sender.setParameters(parameters);
    } catch {
      // Parameters changed meanwhile, or this browser knows less of them: the next look tries again.
      this.#unlimited = kind === "video";
    }
  }
}
