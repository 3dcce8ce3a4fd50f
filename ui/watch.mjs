// Builds the app, the guest page and <onmeet-call> into a directory, again after each change, for
// `make dev` (tests/dev). One line of JSON on standard output for each build; ends when
// standard input does, so that it never outlives whoever started it.
import { resolve } from "node:path";
import { build } from "vite";

const into = resolve(process.argv[2] ?? ".watched");
process.stdin.resume().on("end", () => process.exit(0));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

for (const [page, configFile] of [
  ["app", "vite.config.ts"],
  ["guest", "vite.guest.config.ts"],
  ["embed", "vite.embed.config.ts"],
]) {
  const watcher = await build({
    configFile,
    logLevel: "silent", // what went wrong is said below
    build: { outDir: resolve(into, page), emptyOutDir: true, minify: false, watch: {} },
  });
  watcher.on("event", (event) => {
    if (event.code === "BUNDLE_END") say({ page, seconds: event.duration / 1000 });
    if (event.code === "ERROR") say({ page, trouble: event.error.message });
    void event.result?.close();
  });
}
