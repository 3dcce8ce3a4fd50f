// What a browser may lack, forbid, or answer by throwing: a lit display, notifications, the clipboard
// (stores are in stores.ts). Nothing here throws or rejects, and nowhere else are these asked for.

/** Keeps the display lit, whenever the page is looked at, until the function that it gives is called. */
export function stayLit(): () => void {
  let lock: WakeLockSentinel | null = null;
  let over = false;
  const ask = async () => {
    try {
      // The browser takes the lock away from a page that is hidden, and does not give it back.
      if (over || document.hidden || (lock !== null && !lock.released)) return;
      const got = await navigator.wakeLock?.request("screen");
      if (got === undefined) return;
      lock = got;
      if (over) await got.release();
    } catch {
      // only a comfort
    }
  };
  const shown = () => void ask();
  document.addEventListener("visibilitychange", shown);
  shown();
  return () => {
    over = true;
    document.removeEventListener("visibilitychange", shown);
    void lock?.release().catch(() => undefined);
  };
}

export type Notifying = NotificationPermission | "unsupported";

/** Whether this page may notify the person. */
export function notifying(): Notifying {
  try {
    return "Notification" in window ? Notification.permission : "unsupported";
  } catch {
    return "unsupported";
  }
}

export async function askToNotify(): Promise<void> {
  try {
    await Notification.requestPermission();
  } catch {
    // then it stays as it is
  }
}

/** Notifies the person if they look elsewhere and allow it; gives the function that takes it back. */
export function notify(title: string, options: NotificationOptions = {}): () => void {
  try {
    if (!document.hidden || notifying() !== "granted") return () => undefined;
    // NOTE: on phones the constructor is there, and throws.
    const one = new Notification(title, options);
    one.onclick = () => window.focus();
    return () => one.close();
  } catch {
    return () => undefined;
  }
}

/** Whether it is on the clipboard now, `rich` (HTML) with it; if not, the person copies it by hand. */
export async function copied(text: string, rich: string | null = null): Promise<boolean> {
  try {
    if (rich === null) await navigator.clipboard.writeText(text);
    else {
      const part = (content: string, type: string) => new Blob([content], { type });
      const both = { "text/plain": part(text, "text/plain"), "text/html": part(rich, "text/html") };
      await navigator.clipboard.write([new ClipboardItem(both)]);
    }
    return true;
  } catch {
    return false;
  }
}
