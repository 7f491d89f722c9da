/**
 * What the participants of the simulated network do (D10): who sells what and how well, which
 * pipelines a user runs, all drawn from the seed. Used by `network.scenario`.
 */
import type { Capability } from '../../schemas/documents.gen.ts'
import { seededRandom } from '../../runtime/memory/random.ts'
import type { Limits } from '../../runtime/actors/keeper.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { Random } from '../../runtime/ports/random.ts'
import type { HandlerContext, ProviderDefinition } from '../provider/define.ts'
import { drawSettle } from './money.ts'

export const SHOUT: Capability = {
  id: 'text.shout@1', title: 'Shout', description: 'Gives the text in capitals.', unit: 'call',
  input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
  output: { type: 'object', additionalProperties: false, required: ['text', 'quality'], properties: { text: { type: 'string' }, quality: { type: 'number' } } },
}
export const TELL: Capability = {
  id: 'text.tell@1', title: 'Tell', description: 'Tells a story word by word.', unit: 'word',
  estimate: { expression: '1.0 * input.words.size()' },
  input: { type: 'object', required: ['words'], properties: { words: { type: 'array', items: { type: 'string' } } } },
  output: { type: 'object', required: ['words'], properties: { words: { type: 'array' } } },
  chunk: { type: 'object', additionalProperties: false, required: ['word'], properties: { word: { type: 'string' } } },
}

/** The one payment provider of the network: an arbiter, and a hub. */
export const ARBITER = 'safe'
/** The one that claims for sellers that are away. */
export const TOWER = 'tower'
/** The one guardian. */
export const GUARDIAN = 'guard'

/** How a seller works: `faulty` throws at times, `slow` misses deadlines at times, `poor` fails the acceptance at times. */
export type Manner = 'honest' | 'faulty' | 'slow' | 'poor'

export interface Seller {
  readonly name: string
  readonly list: string
  readonly manner: Manner
  /** Whether it tells stories too. */
  readonly tells: boolean
}

export interface Errand {
  /** Whose it is. */
  readonly user: string
  /** Under which the run is asked for, however often its user is started again. */
  readonly key: string
  readonly document: object
  readonly inputs: Readonly<Record<string, unknown>>
  /** Ms after the faults began. */
  readonly at: number
  /** Whether somebody hears its outputs as they are made. */
  readonly heard: boolean
  /** Ms after its start at which its user gives it up. */
  readonly cancelAt: number | undefined
}

export interface Work {
  readonly sellers: readonly Seller[]
  readonly users: readonly string[]
  /** Whether a payment provider decides about a step in escrow. */
  readonly escrow: boolean
  /** Whether it is a hub, through which some of what settles locked is paid. */
  readonly hub: boolean
  /** Whether sellers hand their vouchers to a watchtower. */
  readonly tower: boolean
  /** Whether a guardian measures the sellers, and users go by what it says. */
  readonly guardian: boolean
  /** Atomic units in each user's vault. */
  readonly deposit: bigint
  readonly errands: readonly Errand[]
  /** Whether users ask for agreements of several calls, which none in escrow is. */
  readonly standing: boolean
  /** How much of a journal is replayed, and how much of it is kept; little, so that snapshots are made and used. */
  readonly limits: Limits
}

const MANNERS: readonly Manner[] = ['honest', 'honest', 'faulty', 'slow', 'poor']
/** The share of networks with a hub. */
const HUB_SHARE = 0.25
/** The share of networks with a watchtower, and of those with a guardian. */
const TOWER_SHARE = 0.2
const GUARDIAN_SHARE = 0.2
const WORDS = ['once', 'upon', 'a', 'time', 'there', 'was']

/** Everybody's work under one seed; `money` decides how it settles, `ways` through whom. */
export function drawWork(random: Random, money: Random, ways: Random): Work {
  const chance = (share: number): boolean => random.fraction() < share
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.fraction() * from.length)]!
  const sellers = ['p1', 'p2', 'p3'].slice(0, chance(0.3) ? 2 : 3).map((name, at): Seller => ({
    name, list: `0.01${at}`, manner: at === 0 ? 'honest' : pick(MANNERS), tells: at < 2,
  }))
  const escrow = chance(0.3)
  const [hub, tower, guardian] = [HUB_SHARE, TOWER_SHARE, GUARDIAN_SHARE].map((share) => ways.fraction() < share) as [boolean, boolean, boolean]
  const users = chance(0.25) ? ['alice', 'bob'] : ['alice']
  const errands = Array.from({ length: chance(0.5) ? 1 : chance(0.7) ? 2 : 3 }, (_, at): Errand => {
    const heard = chance(0.3)
    return {
      user: users[at % users.length]!, key: `errand ${at}`, document: drawSettle(drawDocument(random, escrow), SHOUT.id, TELL.id, money, hub ? ways : undefined), inputs: { words: WORDS.slice(0, 1 + Math.floor(random.fraction() * 4)) },
      at: Math.floor(random.fraction() * (at === 0 ? 200 : 4_000)), heard, cancelAt: chance(0.2) ? Math.floor(random.fraction() * (chance(0.7) ? 600 : 4_000)) : undefined,
    }
  })
  const limits: Limits = chance(0.5) ? { tailRecords: 4 + Math.floor(random.fraction() * 30), retain: Math.floor(random.fraction() * 30), resident: Math.floor(random.fraction() * 20) } : {}
  return { sellers, users, escrow, hub, tower, guardian, limits, deposit: chance(0.25) ? 600_000n : 10_000_000n, errands, standing: !escrow && chance(0.5) }
}

function drawDocument(random: Random, escrow: boolean): { readonly name: string; readonly steps: Record<string, object>; readonly [rest: string]: unknown } {
  const chance = (share: number): boolean => random.fraction() < share
  const retry = { attempts: 3, on: ['expect', 'output', 'timeout', 'failed'], elsewhere: true }
  const sla = { deadline: `${2 + Math.floor(random.fraction() * 5)}s`, grace: '1s' }
  const shout = (text: string, change: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla, retry, ...change })
  const steps: Record<string, object> = { a: shout('${input.words[0]}', { expect: '${output.quality > 50.0}' }) }
  const output: Record<string, string> = { a: '${steps.a.text}' }
  if (chance(0.5)) Object.assign(steps, { b: shout('${steps.a.text}') })
  if (chance(0.5)) {
    Object.assign(steps, { all: shout('${item}', { forEach: '${input.words}', maxItems: 4, ...(chance(0.5) ? { parallel: 2 } : {}) }) })
    output['all'] = '${steps.all.map(one, one.text)}'
  }
  if (chance(0.4)) Object.assign(steps, { told: { uses: TELL.id, with: { words: '${input.words}' }, price: { max: '0.08' }, sla, retry: { ...retry, attempts: 2 } } })
  drawConstructs(random, steps, output, shout)
  if (escrow) Object.assign(steps, { safe: shout('${steps.a.text}', { settle: 'escrow', expect: '${output.quality > 50.0}', retry: { ...retry, attempts: 2 } }) })
  return {
    name: 'errand', version: '1.0.0', input: { type: 'object', required: ['words'], properties: { words: { type: 'array', items: { type: 'string' } } } },
    budget: { max: '2.00' }, pipelines: { twice: TWICE }, steps, output, ...(chance(0.05) ? { timeout: '4s' } : {}),
  }
}

/** A pipeline that others run: two steps, and what is done in it is undone when it fails. */
const TWICE = {
  name: 'twice', version: '1.0.0', input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }, budget: { max: '0.30' },
  steps: {
    first: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.02' }, sla: { deadline: '4s', grace: '1s' }, retry: { attempts: 2 }, compensate: { uses: SHOUT.id, with: { text: '${output.text}' }, price: { max: '0.02' }, sla: { deadline: '4s', grace: '1s' } } },
    second: { uses: SHOUT.id, with: { text: '${steps.first.text}' }, price: { max: '0.02' }, sla: { deadline: '4s', grace: '1s' } },
  },
  output: '${steps.second.text}',
}

/** Some of what the language has besides hiring: each in its own share of the documents. */
function drawConstructs(random: Random, steps: Record<string, object>, output: Record<string, string>, shout: (text: string, change?: object) => object): void {
  const chance = (share: number): boolean => random.fraction() < share
  const undo = { uses: SHOUT.id, with: { text: '${output.text}' }, price: { max: '0.02' }, sla: { deadline: '4s', grace: '1s' } }
  const constructs: Record<string, object> = {
    raced: shout('${input.words[0]}', { race: { providers: 2 }, expect: '${output.quality > 50.0}', ...(chance(0.5) ? { compensate: undo } : {}) }),
    agreed: shout('${input.words[0]}', { quorum: { providers: 3, agree: 2 }, retry: { attempts: 2 } }),
    stood: shout('${steps.a.text}', { expect: '${output.quality > 95.0}', retry: { attempts: 1 }, fallback: { uses: SHOUT.id, with: { text: 'x' }, price: { max: '0.02' } }, compensate: undo }),
    chosen: { switch: [{ when: '${input.words.size() > 2}', uses: SHOUT.id, with: { text: 'many' }, price: { max: '0.02' } }, { value: { text: 'few' } }] },
    some: shout('${item}', { forEach: '${input.words}', maxItems: 4, tolerate: 2, timeout: '6s', retry: { attempts: 1 }, compensate: undo }),
    nap: { needs: ['a'], wait: { for: `${1 + Math.floor(random.fraction() * 3)}s` } },
    // As text, since nothing in code may look like a promise.
    asked: JSON.parse('{ "wait": { "signal": "go", "timeout": "3s", "then": "continue" } }') as object,
    sub: { pipeline: 'twice', with: { text: '${steps.a.text}' } },
    subs: { pipeline: 'twice', forEach: '${input.words}', maxItems: 4, parallel: 2, tolerate: 4, with: { text: '${item}' } },
  }
  for (const [name, step] of Object.entries(constructs)) if (chance(0.15)) steps[name] = step
  if (chance(0.15)) {
    steps['teller'] = { uses: TELL.id, with: { words: '${input.words}' }, price: { max: '0.08' }, sla: { deadline: '5s', grace: '1s' }, retry: { attempts: 2 } }
    steps['taken'] = shout('${item.word}', { forEach: '${chunks.teller}', maxItems: 4, parallel: 2 })
  }
  // Half of what takes things back does so because of this.
  if (chance(0.15)) steps['bad'] = shout('no', { needs: ['a'], expect: '${output.quality > 95.0}', retry: { attempts: 1 } })
  if (steps['sub']) output['sub'] = '${steps.sub}'
}

/** What a seller sells. How a call goes is decided by its id, so that doing it again goes the same way; `made` is told of each output. */
export function sold(seller: Seller, seed: number, clock: Clock, made: (output: { readonly text: string; readonly quality: number }) => void = () => undefined): ProviderDefinition[] {
  const { name, list, manner, tells } = seller
  const luck = (callId: string): Random => seededRandom(`${seed} ${name} ${callId}`)
  const shout: ProviderDefinition = {
    // Some bargain, some quote a firm price.
    name, capability: SHOUT, price: { list, ...(Number(list.at(-1)) % 2 === 0 ? { floor: '0.009' } : {}) }, latencyMs: 100, concurrency: 3, standing: { calls: 6, first: 2 }, credit: { calls: 4 },
    handler: async ({ text }: { text: string }, { callId, signal }: HandlerContext) => {
      const random = luck(callId)
      const bad = manner !== 'honest' && random.fraction() < 0.4
      await clock.sleep(20 + Math.floor(random.fraction() * 300) + (bad && manner === 'slow' ? 9_000 : 0), signal)
      if (bad && manner === 'faulty') throw new Error('out of memory')
      const output = { text: text.toUpperCase(), quality: bad && manner === 'poor' ? 40 : 90 }
      made(output)
      return { output, units: { call: 1 } }
    },
  }
  const tell: ProviderDefinition = {
    name, capability: TELL, price: { list: '0.01' }, latencyMs: 1_000, concurrency: 3, stream: { every: 2 },
    handler: async ({ words }: { words: string[] }, { emit, signal }: HandlerContext) => {
      const told: string[] = []
      for (const word of words) {
        await clock.sleep(150, signal).catch(() => undefined)
        if (signal.aborted) break
        await emit({ word }, 1)
        told.push(word)
      }
      return { output: { words: told }, units: { word: told.length } }
    },
  }
  return tells ? [shout, tell] : [shout]
}
