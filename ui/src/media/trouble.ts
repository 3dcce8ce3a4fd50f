// Why there is no camera, microphone or screen: browsers give several causes one name of an error.
export type Trouble =
  /** The browser's question is open: nobody has answered yet. */
  | "asking"
  /** The person, or what they once answered, forbids it to this page. */
  | "denied"
  | "dismissed"
  /** The site around our frame did not pass it on: no `allow`, or its Permissions-Policy. */
  | "frame"
  /** Forbidden in a frame, in a browser that does not say by whom. */
  | "embedded"
  /** The server of our own page forbids it (Permissions-Policy). */
  | "policy"
  /** The operating system refuses what the browser and the person allow. */
  | "system"
  /** Allowed before, and taken back while it was used. */
  | "withdrawn"
  /** A browser inside another app, or one too old, which gives it to no page. */
  | "in-app"
  /** The page did not come over a secure connection. */
  | "insecure"
  | "missing"
  | "busy"
  | "unplugged"
  /** It ended by itself, and is still there. */
  | "stopped"
  /** Open, but the system lets nothing of it through: a shutter, a switch, a phone call. */
  | "silenced"
  | "unsupported"
  | "other";

/** What is asked for, by its name in a Permissions-Policy. */
export type Feature = "camera" | "microphone" | "display-capture";

/** What of the page's circumstances tells causes apart. */
export interface Circumstances {
  readonly secure: boolean;
  readonly framed: boolean;
  /** The browser's description of itself. */
  readonly agent: string;
  /** Whether policies let this page ask for it; null: this browser does not say. */
  allowed(feature: Feature): boolean | null;
  /** What the person answered; null: this browser does not say. */
  permission(feature: Feature): Promise<PermissionState | null>;
}

/** Facebook, Instagram, LINE, WeChat, WhatsApp, Snapchat, TikTok, X, LinkedIn, Pinterest, Telegram; any WebView. */
const IN_APP =
  /FBA[NV]|FB_IAB|Instagram|\bLine\/|MicroMessenger|WhatsApp|Snapchat|musical_ly|BytedanceWebview|TwitterAndroid|Twitter for|LinkedInApp|Pinterest|Telegram|; wv\)/i;
/** Safari names itself; a page in another app's own view of WebKit does not. */
const WEBKIT_VIEW = /\((?:iPhone|iPad|iPod)(?!.*Safari\/)/;

export function inApp(agent: string): boolean {
  return IN_APP.test(agent) || WEBKIT_VIEW.test(agent);
}

/** Why a browser has no `navigator.mediaDevices` at all. */
export function causeOfNone({ secure }: Circumstances): Trouble {
  return secure ? "in-app" : "insecure";
}

/** What a failed getUserMedia or getDisplayMedia means (Media Capture and Streams, 10.2). */
export async function causeOf(error: unknown, feature: Feature, around: Circumstances): Promise<Trouble> {
  const { name, message } = error instanceof Error ? error : { name: "", message: "" };
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return await whoForbids(message, feature, around);
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "TypeError":
      return around.secure ? "other" : "insecure";
    default:
      return "other";
  }
}

async function whoForbids(message: string, feature: Feature, around: Circumstances): Promise<Trouble> {
  if (/dismiss/i.test(message)) return "dismissed";
  if (/\bby (?:the )?(?:operating )?system\b/i.test(message)) return "system"; // Chromium, of all three systems
  const allowed = /permissions? policy|feature policy/i.test(message) ? false : around.allowed(feature);
  if (allowed === false) return around.framed ? "frame" : "policy";
  if (inApp(around.agent)) return "in-app";
  // NOTE: Chromium names the system itself, and says just this of a person; the answer to a picker of
  // screens is kept by no browser.
  const unsaid = feature !== "display-capture" && message !== "Permission denied";
  if (unsaid && (await around.permission(feature)) === "granted") return "system";
  return around.framed && allowed === null ? "embedded" : "denied";
}

/** Why a track ended by itself. `found`: what there is now, as the browser lists it. */
export async function causeOfEnd(
  feature: "camera" | "microphone",
  device: string | undefined,
  found: readonly MediaDeviceInfo[],
  around: Circumstances,
): Promise<Trouble> {
  const kind = feature === "camera" ? "videoinput" : "audioinput";
  const mine = found.filter((one) => one.kind === kind);
  // Without a permission the list says that there are some, and no more of them.
  if (mine.some((one) => one.deviceId === "")) return "withdrawn";
  if (!mine.some((one) => one.deviceId === device)) return "unplugged";
  const permission = await around.permission(feature);
  return permission === null || permission === "granted" ? "stopped" : "withdrawn";
}

interface Policy {
  allowsFeature(feature: string): boolean;
}

/** What this page may use, and pass on to frames; undefined: this browser does not say. */
export function pagePolicy(): Policy | undefined {
  const { permissionsPolicy, featurePolicy } = document as { permissionsPolicy?: Policy; featurePolicy?: Policy };
  return permissionsPolicy ?? featurePolicy;
}

/** Of this page. */
export function circumstances(): Circumstances {
  return {
    secure: window.isSecureContext,
    framed: window.parent !== window,
    agent: navigator.userAgent,
    allowed(feature) {
      return pagePolicy()?.allowsFeature(feature) ?? null;
    },
    async permission(feature) {
      try {
        return (await navigator.permissions.query({ name: feature as PermissionName })).state;
      } catch {
        return null; // no such question in this browser
      }
    },
  };
}
