import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// A server that `npm run dev` talks to; `esmon serve` listens there by default.
const server = process.env.ESMON_SERVER ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": { target: server, ws: true },
      "/prometheus": { target: server },
    },
  },
  build: {
    target: "es2022",
    sourcemap: false,
    // The charts' chunk is large and loaded only by the pages that draw.
    chunkSizeWarningLimit: 600,
  },
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    environment: "jsdom",
    setupFiles: ["tests/setup.ts"],
    restoreMocks: true,
    css: false,
  },
});
