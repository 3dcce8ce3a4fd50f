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

/** Calls `listener` when the answer to that is another one. */
export async function onNotifying(listener: () => void): Promise<void> {
  notifyingListeners.add(listener);
  try {
    (await navigator.permissions.query({ name: "notifications" })).addEventListener("change", listener);
  } catch {
    // this browser tells only of what is asked here
  }
}

const notifyingListeners = new Set<() => void>();

export async function askToNotify(): Promise<void> {
  try {
    await Notification.requestPermission();
  } catch {
    // then it stays as it is
  }
  for (const listener of notifyingListeners) listener();
}

/** Whether a notification of this page would be seen. */
export function canNotify(): boolean {
  // NOTE: on phones the constructor is there, and throws.
  return notifying() === "granted" && !/Android|iPhone|iPad/.test(navigator.userAgent);
}

/**
 * Notifies the person if they allow it and look elsewhere, or hear nothing; gives the function that takes
 * it back.
 */
export function notify(title: string, options: NotificationOptions = {}, silent = false): () => void {
  try {
    if (!(document.hidden || silent) || !canNotify()) return () => undefined;
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
