// What the node says in sentences, in the language of this page. The node speaks English; a sentence of
// it is looked up as it is, with its values in place, and the same values fill the translation.
// tests/web/test_sentences.py finds those that are missing here.
import { isolated, language } from "../index.js";
import { ends } from "./ends.js";
import { findings } from "./findings.js";
import { refusals } from "./refusals.js";

/** English with `{values}`, French, German, Arabic. */
export type Row = readonly [en: string, fr: string, de: string, ar: string];

const COLUMNS = { fr: 1, de: 2, ar: 3 } as const;
const UNITS = /^(\d+) (year|month|week|day|hour|minute|second)s?( ago)?$/;

let rows: readonly { readonly row: Row; readonly form: RegExp; readonly names: readonly string[] }[] | null = null;

function read(row: Row) {
  const names: string[] = [];
  const form = row[0]
    .split(/\{(\w+)\}/)
    .map((part, index) => {
      if (index % 2 === 0) return part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
      names.push(part);
      return "(.+?)";
    })
    .join("");
  return { row, form: new RegExp(`^${form}$`, "su"), names };
}

/** A sentence of the node, or several, in the language of this page; null if it is not known. */
export function translated(said: string): string | null {
  const now = language();
  if (now === "en") return said;
  // The more of a row is fixed, the more it says: {title} is on already, say, comes last.
  rows ??= [...refusals, ...findings, ...ends].map(read).sort((a, b) => fixed(b.row[0]) - fixed(a.row[0]));
  for (const { row, form, names } of rows) {
    const found = form.exec(said);
    if (found === null) continue;
    const values = new Map(names.map((name, index) => [name, value(found[index + 1]!)]));
    return row[COLUMNS[now]].replace(/\{(\w+)\}/g, (_, name: string) => isolated(values.get(name) ?? ""));
  }
  const parts = said.split(/(?<=[.!?])\s+/u);
  const each = parts.length < 2 ? [null] : parts.map(translated);
  return each.includes(null) ? null : each.join(" ");
}

const fixed = (row: string) => row.replace(/\{\w+\}/g, "").length;

/** A value may be a sentence itself, or a span of time. */
function value(text: string): string {
  const span = UNITS.exec(text);
  if (span === null) return translated(text) ?? text;
  const [, count, unit, ago] = span;
  return ago === undefined
    ? new Intl.NumberFormat(language(), { style: "unit", unit: unit!, unitDisplay: "long" }).format(Number(count))
    : new Intl.RelativeTimeFormat(language()).format(-Number(count), unit as Intl.RelativeTimeFormatUnit);
}
