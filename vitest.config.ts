/**
 * Tests: `unit` runs in memory and takes milliseconds; `integration` talks to a real NATS server
 * and anvil on free ports, one file at a time on a small machine, because each starts processes of its own.
 * `--mode long` (npm run test:long) runs every property test 2,000 times instead of 100.
 */
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const root = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
/** What both kinds of test share. */
const everywhere = {
  pool: 'forks',
  globals: false,
  setupFiles: [root('./vitest.setup.ts')],
  exclude: ['**/node_modules/**', 'dist/**', '.aigen/**'],
} satisfies TestProjectInlineConfiguration['test']

export default defineConfig(({ mode }) => ({
  resolve: { alias: { 'aigen/llm': root('./llm.ts'), aigen: root('./index.ts') } },
  test: {
    env: { AIGEN_LONG: mode === 'long' ? '1' : '' },
    projects: [
      {
        extends: true,
        // One set of modules a worker: loading them anew for each file took longer than the tests.
        test: { ...everywhere, name: 'unit', isolate: false, include: ['**/*.test.ts'], exclude: [...everywhere.exclude, '**/*.integration.test.ts'], testTimeout: mode === 'long' ? 120_000 : 10_000 },
      },
      {
        extends: true,
        test: {
          ...everywhere, name: 'integration', include: ['**/*.integration.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, teardownTimeout: 20_000,
          maxWorkers: availableParallelism() < 4 ? 1 : 2, sequence: { groupOrder: 1 },
        },
      },
    ],
  },
}))
