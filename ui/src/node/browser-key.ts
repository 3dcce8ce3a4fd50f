// This browser's own key, by which a node lets it in again (onmeet_node/web/browsers.py). It cannot be
// taken out of the browser, not even by this page, and is of this address alone.
import type { BrowserKey } from "./entrance.js";

const STORE = "keys";
const NAME = "browser";
const DOMAIN = "onmeet browser 1\0";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
/** A store that does not open must not keep the app shut. */
const PATIENCE = 3_000;

let found: Promise<BrowserKey | null> | null = null;

/** The key, made now if there is none; null where the browser keeps nothing or is too old. */
export function browserKey(): Promise<BrowserKey | null> {
  const late = new Promise<null>((done) => setTimeout(() => done(null), PATIENCE));
  return (found ??= Promise.race([find(), late]).catch(() => null));
}

async function find(): Promise<BrowserKey> {
  const store = await opened();
  let pair = await kept(store.transaction(STORE).objectStore(STORE));
  if (pair === undefined) {
    const made = await crypto.subtle.generateKey(ALGORITHM, false, ["sign"]);
    // Another window may have made one meanwhile: the first that is kept is everybody's.
    const keys = store.transaction(STORE, "readwrite").objectStore(STORE);
    pair = await kept(keys);
    if (pair === undefined) await request(keys.put((pair = made), NAME));
  }
  const { privateKey, publicKey } = pair;
  return {
    publicKey: base64url(new Uint8Array(await crypto.subtle.exportKey("raw", publicKey))),
    async sign(challenge) {
      const text = new TextEncoder().encode(`${DOMAIN}${location.origin}\0${challenge}`);
      const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, text);
      return base64url(new Uint8Array(signature));
    },
  };
}

async function kept(keys: IDBObjectStore): Promise<CryptoKeyPair | undefined> {
  return await request(keys.get(NAME) as IDBRequest<CryptoKeyPair | undefined>);
}

async function opened(): Promise<IDBDatabase> {
  const opening = indexedDB.open("onmeet", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return await request(opening);
}

function request<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((done, failed) => {
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error ?? new Error("the browser's store failed"));
  });
}

function base64url(data: Uint8Array): string {
  return btoa(String.fromCharCode(...data)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
