// The guest page: what it names is held by its hash (SRI), and so is, by its import map, what its
// script loads later. j.html stands alone and e.html is the same page for frames of other sites,
// where the gateway sends other headers.
import { createHash } from "node:crypto";
import { defineConfig, type Plugin } from "vite";

const digest = (content: string | Uint8Array) => `sha384-${createHash("sha384").update(content).digest("base64")}`;

function integrity(): Plugin {
  return {
    name: "integrity",
    enforce: "post",
    generateBundle: {
      // NOTE: after all other plugins, which still change scripts that load others.
      order: "post",
      handler(_options, bundle) {
        const page = bundle["j.html"];
        if (page?.type !== "asset") throw new Error("j.html was not built");
        let html = String(page.source);
        const scripts: Record<string, string> = {};
        const first = new Set<string>();
        for (const [name, file] of Object.entries(bundle)) {
          if (name === "j.html") continue;
          const held = digest(file.type === "chunk" ? file.code : file.source);
          const named = new RegExp(`((?:src|href)="/${name.replaceAll(".", "\\.")}")`);
          if (named.test(html)) html = html.replace(named, `$1 integrity="${held}"`);
          else if (file.type !== "chunk") throw new Error(`${name} is not named by the page: nothing holds it by its hash`);
          else scripts[name] = held;
          if (file.type === "chunk" && file.isEntry) first.add(name);
        }
        // A set goes on with what is added to it: what the script needs at once is asked for at once.
        for (const name of first) {
          const file = bundle[name];
          if (file?.type === "chunk") for (const one of file.imports) first.add(one);
        }
        const preloads = [...first]
          .filter((name) => name in scripts)
          .map((name) => `\n    <link rel="modulepreload" crossorigin href="/${name}" integrity="${scripts[name]}">`);
        // NOTE: before the first module, or no browser takes it. The gateway's policy names its hash.
        const held = Object.fromEntries(Object.entries(scripts).map(([name, one]) => [`/${name}`, one]));
        const map = `<script type="importmap">${JSON.stringify({ integrity: held })}</script>`;
        html = html.replace(/<script type="module".*?<\/script>/, (script) => `${map}\n    ${script}${preloads.join("")}`);
        page.source = html;
        this.emitFile({ type: "asset", fileName: "e.html", source: html });
      },
    },
  };
}

/** Without Vite's helper, which preloads the style sheets of what is loaded later: there are none. */
function withoutPreloads(): Plugin {
  return {
    name: "without-preloads",
    enforce: "pre",
    load: (id) => (id.endsWith("vite/preload-helper.js") ? "export const __vitePreload = (load) => load();" : null),
  };
}

/** Templates of styles and elements without the indents that they have in our sources. */
function withoutIndents(): Plugin {
  return {
    name: "without-indents",
    enforce: "post",
    transform: (code, id) => (/\b(?:css|html|svg)`/.test(code) && id.includes("/src/") ? code.replace(/\n[ \t]+/g, "\n") : null),
  };
}

/** Modules that the page needs before a guest can say a name, and its later parts too. */
const AT_ONCE =
  /\/ui\/src\/(?:node|i18n\/index|protocol\/tables|elements\/(?:context|element|styles)|call\/hints|media\/(?!sound))|node_modules\/(?:@msgpack|lit\/(?:index|decorators\.js)|lit-element|lit-html\/lit-html|@lit\/reactive-element)|@oxc-project/;

export default defineConfig({
  publicDir: false, // the app's
  base: "/",
  plugins: [integrity(), withoutPreloads(), withoutIndents()],
  build: {
    outDir: "../onmeet_node/web/guest",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      input: "j.html",
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
        // What is needed at once is one file, whoever needs it later as well.
        codeSplitting: { groups: [{ name: "base", test: AT_ONCE, includeDependenciesRecursively: false }] },
      },
    },
  },
});
