/** `aigen receipts verify` on what stands behind a bundle's call: its own receipt and those its provider lists. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { evaluateHere, keysOf, MemoryWorld, SHOUT, shouter } from '../../agents/memory-network.fixture.ts'
import { provideBundle } from '../../agents/provider/bundle.ts'
import { upstreamReceipts } from '../../agents/provider/upstream-receipts.ts'
import { hire } from '../../agents/user/hire.ts'
import { receiptsOf } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { verify } from './receipts.ts'
import type { Output } from '../output.ts'

const folder = mkdtempSync(join(tmpdir(), 'aigen-receipts-'))
let close: () => Promise<void> = () => Promise.resolve()
afterEach(async () => {
  await close()
  rmSync(folder, { recursive: true, force: true })
})

async function verified(values: unknown): Promise<{ ok: boolean; lines: any[] }> {
  const file = join(folder, 'receipts.json')
  writeFileSync(file, JSON.stringify(values))
  const lines: any[] = []
  const plain = (text: string): string => text
  const ok = await verify(file, { print: () => undefined, emit: (line: object) => { lines.push(line) }, ink: { red: plain, green: plain } } as unknown as Output)
  return { ok, lines }
}

it('holds the receipts a bundle lists, and none that was changed', async () => {
  const world = new MemoryWorld({ clock: virtualClock() })
  await world.drive(world.provider(shouter('p1', '0.004', 90)))
  const step = (text: string): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '5s', grace: '1s' } })
  const house = await world.drive(provideBundle({
    name: 'echo-house', capability: { id: 'text.echo@1', title: 'Echo', description: 'Shouts it twice.' }, price: { list: '0.06', floor: '0.05' }, receipts: 'listed',
    pipeline: {
      name: 'echo', version: '1.0.0', input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }, budget: { max: '0.04' },
      steps: { first: step('${input.text}'), second: step('${steps.first.text + "!"}') }, output: { loud: '${steps.second.text}' },
    },
  }, { ports: world.ports('house'), keys: keysOf('house'), evaluate: evaluateHere, deposit: 10_000_000n, faucet: true, standard: new Map([[SHOUT.id, SHOUT]]) }))
  close = async () => {
    await world.drive(house.stop(0))
    await world.close()
  }
  const user = await world.drive(world.user('alice'))
  const { bill } = await world.drive(hire(user, { capability: 'text.echo@1', input: { text: 'hi' }, maxPrice: '0.06', deadlineMs: 60_000, attempts: 1 }))
  const { host, wire } = user.node
  const [own] = await receiptsOf(host, (await host.look<RunContext>(`run/${bill.run}`))!, wire.credentials.verifier)
  const upstream = await world.drive(upstreamReceipts(user.node, own!))
  const all = await verified([own, ...upstream])
  expect(all.ok).toBe(true)
  expect(all.lines.map(({ capability, payer, amount }) => [capability, payer, amount])).toEqual([
    ['text.echo@1', user.node.participant, expect.any(String)],
    [SHOUT.id, house.node.participant, '0.004'], [SHOUT.id, house.node.participant, '0.004'],
  ])
  const forged = structuredClone(upstream[1]!) as any
  forged.delivery.body.amount = '3000'
  const one = await verified([upstream[0], forged])
  expect([one.ok, ...one.lines.map(({ ok }) => ok)]).toEqual([false, true, false])
})
