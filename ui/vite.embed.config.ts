// <onmeet-call> as one small classic script: sites load it without CORS, from their gateway.
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false, // the app's
  build: {
    outDir: "../onmeet_node/web/guest",
    emptyOutDir: false,
    target: "es2022",
    reportCompressedSize: false,
    lib: { entry: "src/embed/onmeet-call.ts", formats: ["iife"], name: "OnMeet", fileName: () => "embed.js" },
  },
});
