// Every visible text, in each language; a key that one of them lacks does not compile. The app and
// the guest page each bring the texts they show: `provide`.
import type { en as app } from "./app/en.js";
import type { en as call } from "./call/en.js";
import type { en as alone } from "./call/alone/en.js";
import type { en as inside } from "./call/inside/en.js";
import type { en as guest } from "./guest/en.js";
import type { en as guestRoom } from "./guest/room/en.js";
import type { en as room } from "./room/en.js";
import type { en as trouble } from "./trouble/en.js";
import { browserStore } from "../node/stores.js";

export type Key =
  | keyof typeof app
  | keyof typeof call
  | keyof typeof alone
  | keyof typeof inside
  | keyof typeof guest
  | keyof typeof guestRoom
  | keyof typeof room
  | keyof typeof trouble;
type Texts = Record<string, string>;
export type Language = "en" | "fr" | "de" | "ar";

export const LANGUAGES: Record<Language, string> = {
  en: "English",
  fr: "Français",
  de: "Deutsch",
  ar: "العربية",
};
const catalogues: Record<Language, Texts> = { en: {}, fr: {}, de: {}, ar: {} };
const KEPT = "onmeet-language";

const listeners = new Set<() => void>();
let now: Language = "en";

function known(tag: string): Language | null {
  const language = tag.toLowerCase().split("-")[0] ?? "";
  return language in catalogues ? (language as Language) : null;
}

/** Texts of this page: before anything is shown, or for what is shown later. */
export function provide(...texts: readonly Record<Language, Texts>[]): void {
  for (const one of texts)
    for (const name of Object.keys(LANGUAGES) as Language[]) Object.assign(catalogues[name], one[name]);
  for (const listener of listeners) listener();
}

/** What a key says; the key itself where a page was not given it, so that nothing breaks. */
const text = (key: string): string => catalogues[now][key] ?? key;

let ours: (said: string) => string | null = (said) => said;

/** How to put what the node says, which speaks English; without, it speaks as the page does. */
export function provideSentences(translated: (said: string) => string | null): void {
  ours = translated;
}

/** A sentence of the node in the language of this page; null: there is only the English one. */
export const inOurs = (said: string): string | null => ours(said);

/** The language that is spoken now. */
export const language = (): Language => now;

/** Speaks the chosen language, or the first of the browser's that we know, now and later. */
export function beginLanguage(): void {
  speakAsChosen();
  addEventListener("languagechange", speakAsChosen);
}

function speakAsChosen(): void {
  const chosen = known(browserStore.getItem(KEPT) ?? "");
  speak(chosen ?? navigator.languages.map(known).find((one) => one !== null) ?? "en");
}

/** Speaks a language without keeping it: the page around this one asks for it. */
export const speakOnly = (asked: Language): void => speak(asked);

/** The person chose a language: the one thing this page keeps beyond its window. */
export function chooseLanguage(chosen: Language): void {
  browserStore.setItem(KEPT, chosen);
  speak(chosen);
}

function speak(chosen: Language): void {
  now = chosen;
  document.documentElement.lang = chosen;
  document.documentElement.dir = chosen === "ar" ? "rtl" : "ltr";
  for (const listener of listeners) listener();
}

export function onLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The text of a key, with `{name}` filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return text(key).replace(/\{(\w+)\}/g, (_, name: string) => isolated(String(values[name] ?? "")));
}

const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** A name of the other direction does not turn the words around it (UAX #9, FSI and PDI). */
export function isolated(text: string): string {
  return now === "ar" || RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}

/** Whether there is a text for a name made at run time, such as an end reason. */
export function has(key: string): key is Key {
  return key in catalogues.en;
}

/** A text with a number in it. Forms stand in one text, as `one=… | other=…` (CLDR categories). */
export function plural(key: Key, count: number): string {
  const forms = new Map(
    text(key).split("|").map((form) => {
      const [name, ...text] = form.trim().split("=");
      return [name, text.join("=")] as const;
    }),
  );
  const form = forms.get(new Intl.PluralRules(now).select(count)) ?? forms.get("other") ?? "";
  return form.replace("{n}", new Intl.NumberFormat(now).format(count));
}

/** A moment, Unix seconds, as one says it today. */
export function when(seconds: number): string {
  const date = new Date(seconds * 1_000);
  const today = new Date().toDateString() === date.toDateString();
  return new Intl.DateTimeFormat(
    now,
    today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" },
  ).format(date);
}

/** How long ago or ahead a moment is, Unix seconds. */
export function ago(seconds: number): string {
  const difference = seconds - Date.now() / 1_000;
  const format = new Intl.RelativeTimeFormat(now, { numeric: "auto" });
  for (const [unit, size] of [["day", 86_400], ["hour", 3_600], ["minute", 60]] as const)
    if (Math.abs(difference) >= size) return format.format(Math.round(difference / size), unit);
  return format.format(0, "minute");
}

/** A duration: 3:07, 1:02:45. */
export function clock(seconds: number): string {
  const two = new Intl.NumberFormat(now, { minimumIntegerDigits: 2 });
  const one = new Intl.NumberFormat(now);
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return h > 0 ? `${one.format(h)}:${two.format(m)}:${two.format(s)}` : `${one.format(m)}:${two.format(s)}`;
}

export function number(value: number): string {
  return new Intl.NumberFormat(now).format(value);
}
