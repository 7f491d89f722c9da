/** Each way to settle, on a real server and a real chain: whoever cheats, both sides lose exactly what the README says, and no more than they may. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MODES } from './money.ts'
import { openStage, type Stage } from './stage.ts'

/** Of each scene: who cheats, what was paid, what the payer and the provider lost. */
const CAME: Readonly<Record<string, readonly string[]>> = {
  postpaid: ['nobody 0.01 0 0', 'provider 0 0 0', 'payer 0 0 0.01', 'payer 0 0 0.02'],
  prepaid: ['nobody 0.01 0 0', 'provider 0.01 0.01 0', 'payer 0.01 0 0'],
  locked: ['nobody 0.01 0 0', 'provider 0.01 0.01 0', 'provider 0 0 0', 'payer 0 0 0.01', 'payer 0.01 0 0'],
  hub: ['nobody 0.01005 0.00005 0', 'provider 0.01005 0.01005 0', 'provider 0 0 0', 'payer 0 0 0.01', 'hub 0 0 0.01', 'hub 0.01005 0.01005 0'],
  streamed: ['nobody 0.04 0 0', 'provider 0.02 0 0', 'payer 0 0 0.01', 'payer 0.02 0 0.01'],
  escrow: ['nobody 0.011 0.001 0', 'provider 0.001 0.001 0', 'payer 0.011 0.001 0', 'payer 0.011 0.001 0', 'provider and arbiter 0.011 0.011 0', 'payer and arbiter 0.001 0 0.01'],
}

describe('money on a devnet', () => {
  let stage: Stage
  beforeAll(async () => void (stage = await openStage()), 60_000)
  afterAll(() => stage.close(), 60_000)

  it.each(Object.keys(MODES))('%s', async (name) => {
    const rows = await MODES[name]!(stage)
    expect(rows.map(({ cheat, paid, lost }) => `${cheat} ${paid} ${lost.payer} ${lost.provider}`)).toEqual(CAME[name])
    expect(rows.filter(({ held }) => !held)).toEqual([])
    // What was paid to a provider stands on the chain.
    expect(rows.map(({ transaction }) => transaction !== undefined)).toEqual(rows.map(({ paid, mode }) => Number(paid) > (mode === 'escrow' ? 0.001 : 0)))
  }, 240_000)
})
