/** The chaos run in short: every process killed once while twenty paid pipelines run, through the built program. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../../dist/examples/chaos/chaos.js', import.meta.url))

it('two nodes of a user, two of a seller and one of two more, NATS and the chain are killed once each: every run answers, every book balances', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, '--pipelines', '20', '--at-once', '4', '--minutes', '2', '--once'], { timeout: 180_000 })
  const { chaos } = JSON.parse(stdout)
  expect(chaos).toMatchObject({ pipelines: 20, done: 20, failed: 0, pauses: 0, violations: 0 })
  // A process that is just starting again cannot be killed; a delivery that came after its step had gone elsewhere is paid too.
  expect(chaos.kills).toBeGreaterThanOrEqual(6)
  expect(chaos.receipts).toBeGreaterThanOrEqual(79)
  expect(chaos.settled).toBe(chaos.spent)
}, 180_000)

it('tells wrong usage apart', async () => {
  await expect(promisify(execFile)(process.execPath, [PROGRAM, '--servers', '2'])).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(/^usage/) })
})
