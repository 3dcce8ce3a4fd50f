// What the browser stores for the page, where it does: third-party storage or all cookies may be blocked,
// and then merely to name a store throws. Nothing here throws, and nowhere else are they asked for.

/** What the page keeps; without the browser's own store, as long as the page is there. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** `open` may throw already: merely to name `sessionStorage` does, where it is forbidden. */
export function guarded(open: () => Store): Store {
  const instead = new Map<string, string>();
  const attempt = <R>(act: (store: Store) => R): R | undefined => {
    try {
      return act(open());
    } catch {
      return undefined;
    }
  };
  return {
    getItem: (key) => instead.get(key) ?? attempt((store) => store.getItem(key)) ?? null,
    setItem(key, value) {
      instead.delete(key);
      if (attempt((store) => (store.setItem(key, value), true)) !== true) instead.set(key, value);
    },
    removeItem(key) {
      instead.delete(key);
      attempt((store) => store.removeItem(key));
    },
  };
}

/** Of this tab, a reload included. */
export const tabStore = guarded(() => sessionStorage);
/** Of this browser. */
export const browserStore = guarded(() => localStorage);
