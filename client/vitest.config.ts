import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    ...{ include: ["tests/*.test.ts"], testTimeout: 30_000, hookTimeout: 120_000 },
    poolOptions: { forks: { execArgv: ["--expose-gc"] } }, // tests/leaks.test.ts weighs the heap
  },
});
