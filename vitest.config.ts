/**
 * Tests: `unit` runs in memory and takes milliseconds; `integration` talks to a real NATS server
 * and anvil on free ports, one file at a time on a small machine, because each starts processes of its own.
 * `long` is integration that takes minutes, and runs in npm run test:long only.
 * AIGEN_LONG=1 (npm run test:long) runs every property test 2,000 times instead of 100.
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

/** Read from the environment: the mode that the command line names does not reach the projects. */
const long = process.env['AIGEN_LONG'] === '1'

export default defineConfig({
  resolve: { alias: { 'aigen/llm': root('./llm.ts'), aigen: root('./index.ts') } },
  test: {
    teardownTimeout: 20_000,
    projects: [
      {
        extends: true,
        // One set of modules a worker: loading them anew for each file took longer than the tests. A worker for each
        // core: vitest would leave one idle.
        test: { ...everywhere, name: 'unit', isolate: false, maxWorkers: availableParallelism(), include: ['**/*.test.ts'], exclude: [...everywhere.exclude, '**/*.integration.test.ts', '**/*.long.test.ts'], testTimeout: long ? 120_000 : 10_000 },
      },
      ...['integration', 'long'].map((name, index) => ({
        extends: true as const,
        test: {
          ...everywhere, name, include: [`**/*.${name}.test.ts`], testTimeout: 60_000, hookTimeout: 60_000,
          maxWorkers: availableParallelism() < 4 ? 1 : 2, sequence: { groupOrder: index + 1 },
        },
      })),
    ],
  },
})
