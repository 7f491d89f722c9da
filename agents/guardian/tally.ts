/**
 * Liveness as a guardian sees it (D9): who was heard when a sign of life was due, and how long an
 * ordinary `status` call takes there and back, asked at random times. In memory, by epoch: what a
 * dead process did not hear it does not claim to have heard. Bounded by providers and epochs.
 */
import { hashOf } from '../../schemas/canonical.ts'
import { participantId } from '../../schemas/id.ts'
import { asError } from '../../schemas/error.ts'
import { BEAT_MS } from '../../runtime/market/liveness.ts'
import { epochAt } from '../../runtime/market/registry.ts'
import type { Node } from '../../runtime/node/node.ts'
import type { GuardianSet } from '../../schemas/documents.gen.ts'

/** Providers watched. */
const PROVIDERS_MAX = 512
/** Status calls to each provider in an epoch, on average, and how long one is waited for, in ms. */
const CALLS = 2
const CALL_MS = 2_000
/** Times kept of a provider and epoch. */
const TIMES_MAX = 16

export interface Heard {
  /** Signs of life heard, of those that were due. */
  readonly up: number
  readonly due: number
  /** Round trips in ms. */
  readonly times: readonly number[]
}

export interface Tally {
  /** What was heard of `provider` in `epoch`. */
  of(provider: string, epoch: number): Heard
  stop(): void
}

export function openTally({ clock, random, directory, wire }: Node, set: GuardianSet): Tally {
  const epochs = new Map<number, Map<string, { up: number; due: number; times: number[] }>>()
  const stopped = new AbortController()
  const entry = (provider: string): { up: number; due: number; times: number[] } => {
    const now = epochAt(set, clock.now())
    const heard = epochs.get(now) ?? new Map<string, { up: number; due: number; times: number[] }>()
    epochs.set(now, heard)
    for (const old of epochs.keys()) if (old < now - 1) epochs.delete(old)
    const one = heard.get(provider) ?? { up: 0, due: 0, times: [] }
    heard.set(provider, one)
    return one
  }
  const ask = async (provider: string): Promise<void> => {
    const from = clock.monotonic()
    const nonce = Buffer.from(random.bytes(32)).toString('hex')
    const agreement = hashOf(nonce)
    let answered = true
    try {
      await wire.call(participantId(provider), 'status', { lane: `0x${nonce}`, agreement, call: 0 }, { callId: `s-${agreement.slice(7, 39)}`, timeoutMs: CALL_MS, signal: stopped.signal })
    } catch (thrown) {
      // A refusal is a sign of life too.
      answered = asError(thrown).rule.fault !== 'network'
    }
    if (stopped.signal.aborted) return
    const one = entry(provider)
    one.due++
    if (!answered) return
    one.up++
    if (one.times.length < TIMES_MAX) one.times.push(Math.round(clock.monotonic() - from))
  }
  const watch = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        await clock.sleep(BEAT_MS, stopped.signal)
      } catch {
        return
      }
      for (const { card: { body }, alive } of directory.entries().slice(0, PROVIDERS_MAX)) {
        if (body.offers.length === 0) continue
        const one = entry(body.participant)
        one.due++
        if (alive) one.up++
        if (random.fraction() < (CALLS * BEAT_MS) / set.epochMs) void ask(body.participant)
      }
    }
  }
  void watch()
  return {
    of: (provider, epoch) => epochs.get(epoch)?.get(provider) ?? { up: 0, due: 0, times: [] },
    stop: () => stopped.abort(),
  }
}
