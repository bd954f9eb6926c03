import { defineConfig } from "vitest/config";

// The tests that drive a real browser against the real server and agent. They
// share one machine, so they run one after the other.
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.test.ts"],
    environment: "node",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
