// For tests/web/test_sentences.py: a JSON list of sentences in, and out those that a language lacks.
const page = { lang: "", dir: "" };
Object.assign(globalThis, { document: { documentElement: page }, localStorage: { getItem: () => null } });
const { speakOnly } = await import("../src/i18n/index.js");
const { translated } = await import("../src/i18n/sentences/index.js");

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const sentences = JSON.parse(Buffer.concat(chunks).toString()) as string[];
const missing: Record<string, string[]> = {};
for (const language of ["fr", "de", "ar"] as const) {
  speakOnly(language);
  missing[language] = sentences.filter((one) => translated(one) === null);
}
process.stdout.write(JSON.stringify(missing));
