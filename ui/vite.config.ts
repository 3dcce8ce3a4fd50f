// The build must come out the same byte for byte wherever it is made: no dates, no paths, one
// script and one style sheet, both named by their content.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../onmeet_node/web/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
});
