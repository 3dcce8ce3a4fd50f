// The guest page: one script and one style sheet, each held by its hash (SRI); j.html stands alone
// and e.html is the same page for frames of other sites, where the gateway sends other headers.
import { createHash } from "node:crypto";
import { defineConfig, type Plugin } from "vite";

function integrity(): Plugin {
  return {
    name: "integrity",
    enforce: "post",
    generateBundle(_options, bundle) {
      const page = bundle["j.html"];
      if (page?.type !== "asset") throw new Error("j.html was not built");
      let html = String(page.source);
      for (const [name, file] of Object.entries(bundle)) {
        if (name === "j.html") continue;
        const content = file.type === "chunk" ? file.code : file.source;
        const digest = createHash("sha384").update(content).digest("base64");
        const named = new RegExp(`((?:src|href)="/${name.replaceAll(".", "\\.")}")`);
        if (!named.test(html)) throw new Error(`${name} is not named by the page: it would not be held by its hash`);
        html = html.replace(named, `$1 integrity="sha384-${digest}"`);
      }
      page.source = html;
      this.emitFile({ type: "asset", fileName: "e.html", source: html });
    },
  };
}

export default defineConfig({
  base: "/",
  plugins: [integrity()],
  build: {
    outDir: "../guest",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      input: "j.html",
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
});
