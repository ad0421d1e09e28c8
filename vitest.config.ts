import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['**/test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.toolchain/**'],
    // Starts nothing by itself: it answers the first test that asks for a PostgreSQL server.
    globalSetup: ['contracts/global-setup.ts'],
    pool: 'forks',
    // Two cores is the machine that the proofs are sized for; servers and child processes share it.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
    passWithNoTests: false,
  },
})
