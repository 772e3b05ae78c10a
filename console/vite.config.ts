import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` sends API calls to a running `regatta serve`; REGATTA_URL names it.
const server = process.env.REGATTA_URL ?? "http://127.0.0.1:8470";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    outDir: "dist",
    // The server's build passes --outDir, a folder outside this one; stale hashed files must not stay.
    emptyOutDir: true,
    // The Content-Security-Policy allows no data: scripts, and small files compress better together.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // elkjs ships as one 1.5 MB worker file; it is loaded only when a graph is first drawn.
    chunkSizeWarningLimit: 1800,
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/healthz", "/readyz"].map((path) => [path, { target: server }]),
    ),
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
