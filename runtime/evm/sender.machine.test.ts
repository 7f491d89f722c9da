/** The sender over the memory rail, driven by the pure transition as the host does (D1). */
import { describe, expect, it } from 'vitest'
import { initialTransition, transition, type SnapshotFrom } from 'xstate'
import { AigenError, asError } from '../../schemas/error.ts'
import { MemoryRail } from '../memory/rail.ts'
import { memoryWallet } from '../memory/signer.ts'
import type { Clock } from '../ports/clock.ts'
import { encodeWrite } from '../ports/rail-json.ts'
import type { Rail, RailWrite } from '../ports/rail.ts'
import type { OwnerSigner } from '../ports/signer.ts'
import { chainEffects } from './sender-effects.ts'
import { senderMachine } from './sender.machine.ts'
import type { SenderEvent, SendResult, WriteLost } from './sender.ts'

const wallet = memoryWallet('sender')
const account = wallet.address

function steppingClock(): Clock {
  let now = 1_800_000_000_000
  return {
    now: () => now,
    monotonic: () => now,
    timer: () => ({ cancel: () => {} }),
    sleep: async (ms) => {
      now += ms
    },
  }
}

interface Ask { readonly kind: string, readonly params: never }

/** A host of one actor: journals the snapshot as JSON after each event, runs effects, fires timers when idle. */
class Host {
  snapshot: SnapshotFrom<typeof senderMachine>
  readonly told: { readonly to: string, readonly event: SendResult | WriteLost }[] = []
  readonly kinds: string[] = []
  readonly #effects: Readonly<Record<string, { run(params: never): Promise<SenderEvent> }>>
  #open: Ask[] = []
  #timers: SenderEvent[] = []

  constructor(rail: Rail) {
    this.#effects = { ...chainEffects({ rail, clock: steppingClock(), signer: (asked) => asked === account ? wallet : undefined }) }
    this.snapshot = initialTransition(senderMachine, { account })[0]
  }

  event(event: SenderEvent): void {
    const [next, actions] = transition(senderMachine, this.snapshot, event)
    // What is not plain JSON would not survive the journal.
    this.snapshot = senderMachine.resolveState({ value: next.value, context: JSON.parse(JSON.stringify(next.context)) as typeof next.context })
    expect(this.snapshot.context).toEqual(next.context)
    this.#timers = []
    for (const { type, params } of actions as unknown as { type: string, params: never }[]) {
      if (type === 'tell') this.told.push(params)
      else if (type === 'xstate.raise') this.#timers.push((params as { event: SenderEvent }).event)
      else if (type !== 'xstate.cancel') this.#open.push({ kind: type, params })
    }
  }

  send(key: string, write: RailWrite): void {
    this.event({ type: 'send', key, to: `asker/${key}`, write: encodeWrite(write) })
  }

  /** Runs one open effect; `twice` as after a crash between the effect and its result. False when nothing is left. */
  async step(twice = false): Promise<boolean> {
    const ask = this.#open.shift()
    if (ask === undefined) {
      const timer = this.#timers.shift()
      if (timer !== undefined) this.event(timer)
      return timer !== undefined
    }
    this.kinds.push(ask.kind)
    const effect = this.#effects[ask.kind]
    if (effect === undefined) throw new Error(`no effect ${ask.kind}`)
    let result: SenderEvent
    try {
      if (twice) await effect.run(ask.params)
      result = await effect.run(ask.params)
    } catch (thrown) {
      result = { type: `${ask.kind}.failed`, error: asError(thrown).toJSON(), params: ask.params } as unknown as SenderEvent
    }
    this.event(result)
    return true
  }

  async settle(twice = false): Promise<void> {
    for (let steps = 0; steps < 500; steps += 1) if (!await this.step(twice)) return
    throw new Error('the sender does not come to rest')
  }
}

const mint = (amount: bigint): RailWrite => ({ kind: 'mint', to: account, amount })

/** The rail with some of its methods replaced. */
function altered(rail: Rail, change: Partial<Rail>): Rail {
  return new Proxy(rail, {
    get: (target, key) => {
      const value: unknown = key in change ? change[key as keyof Rail] : target[key as keyof Rail]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('sender', () => {
  it('signs, journals, broadcasts, looks up and tells', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const host = new Host(rail)
    host.send('a', mint(5n))
    await host.step()
    // The bytes are in the journaled context before anything has left.
    expect(host.snapshot.context.current?.signed).toHaveLength(1)
    expect(await rail.nonce(account)).toBe(0)
    await host.settle()
    expect(host.kinds).toEqual(['chain.sign', 'chain.broadcast', 'chain.outcome', 'chain.nonce'])
    expect(host.told).toMatchObject([{ to: 'asker/a', event: { type: 'chain.write.done', key: 'a', paid: [], refused: [] } }])
    expect(await rail.balance(account)).toBe(5n)
  })

  it('does one at a time, in order, at consecutive nonces', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const host = new Host(rail)
    for (const key of ['a', 'b', 'c']) host.send(key, mint(1n))
    await host.settle()
    expect(host.told.map(({ to }) => to)).toEqual(['asker/a', 'asker/b', 'asker/c'])
    expect([await rail.nonce(account), await rail.balance(account)]).toEqual([3, 3n])
  })

  it('answers a key it knows and does it once', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const host = new Host(rail)
    host.send('a', mint(1n))
    host.send('a', mint(1n))
    await host.settle()
    host.send('a', mint(1n))
    await host.settle()
    expect(host.told).toHaveLength(2)
    expect(host.told[0]).toEqual(host.told[1])
    expect(await rail.balance(account)).toBe(1n)
  })

  it('does nothing twice when every effect runs twice', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const host = new Host(rail)
    host.send('a', mint(1n))
    host.send('b', mint(1n))
    await host.settle(true)
    expect([await rail.nonce(account), await rail.balance(account), host.told.length]).toEqual([2, 2n, 2])
  })

  it('broadcasts the same bytes again when they were lost', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const seen: string[] = []
    const host = new Host(altered(rail, {
      broadcast: async (bytes) => {
        seen.push(bytes)
        return seen.length < 4 ? '0x' : rail.broadcast(bytes)
      },
    }))
    host.send('a', mint(1n))
    await host.settle()
    expect([seen.length, new Set(seen).size]).toEqual([4, 1])
    expect(host.told).toMatchObject([{ event: { type: 'chain.write.done' } }])
  })

  it('raises the fees at the same nonce when it takes too long', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const nonces: number[] = []
    const bumps: number[] = []
    const host = new Host(altered(rail, {
      prepare: async (write, signer, nonce, bump = 0) => {
        nonces.push(nonce)
        bumps.push(bump)
        return rail.prepare(write, signer, nonce, bump)
      },
      broadcast: async (bytes) => bumps.length < 3 ? '0x' : rail.broadcast(bytes),
    }))
    host.send('a', mint(1n))
    await host.settle()
    expect(bumps).toEqual([0, 1, 2])
    expect(nonces).toEqual([0, 0, 0])
    expect(host.told).toMatchObject([{ event: { type: 'chain.write.done' } }])
    expect(await rail.balance(account)).toBe(1n)
  })

  it('takes a new nonce when another transaction used its own', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const host = new Host(rail)
    host.send('a', mint(1n))
    await host.step()
    const other = await rail.prepare(mint(100n), wallet, 0)
    await rail.broadcast(other.bytes)
    await host.settle()
    expect(host.told).toMatchObject([{ event: { type: 'chain.write.done' } }])
    expect([await rail.nonce(account), await rail.balance(account)]).toEqual([2, 101n])
  })

  it('fails what the chain refuses before it costs a nonce, and goes on', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    const host = new Host(rail)
    host.send('a', { kind: 'collect', to: account })
    host.send('b', mint(1n))
    await host.settle()
    expect(host.told).toMatchObject([
      { event: { type: 'chain.write.failed', key: 'a', hash: null, error: { code: 'chain.reverted', message: expect.stringMatching(/NothingToCollect/) } } },
      { event: { type: 'chain.write.done', key: 'b' } },
    ])
    expect(await rail.nonce(account)).toBe(1)
  })

  it('waits while the chain does not answer', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    let calls = 0
    const flaky = <T>(run: () => Promise<T>): Promise<T> => {
      calls += 1
      return calls % 3 === 0 ? run() : Promise.reject(new AigenError('chain.unreachable'))
    }
    const host = new Host(altered(rail, {
      nonce: (of) => flaky(() => rail.nonce(of)),
      broadcast: (bytes) => flaky(() => rail.broadcast(bytes)),
      outcome: (hash) => flaky(() => rail.outcome(hash)),
    }))
    host.send('a', mint(1n))
    await host.settle()
    expect(host.told).toMatchObject([{ event: { type: 'chain.write.done' } }])
    expect(await rail.balance(account)).toBe(1n)
  })

  describe('when the chain has lost blocks', () => {
    const done = (host: Host): string[] => host.told.map(({ event }) => `${event.type} ${event.key}`)

    it('sends the lost bytes again before anything new, so that nothing happens twice', async () => {
      const rail = new MemoryRail({ clock: steppingClock() })
      const host = new Host(rail)
      host.send('a', mint(1n))
      await host.settle()
      const mark = rail.mark()
      host.send('b', mint(10n))
      host.send('c', mint(100n))
      await host.settle()
      rail.rewind(mark)
      expect([await rail.nonce(account), await rail.balance(account)]).toEqual([1, 1n])
      host.send('d', mint(1_000n))
      await host.settle()
      expect([await rail.nonce(account), await rail.balance(account)]).toEqual([4, 1_111n])
      expect(done(host)).toEqual([
        'chain.write.done a', 'chain.write.done b', 'chain.write.done c', 'chain.write.lost b', 'chain.write.lost c', 'chain.write.done d',
      ])
    })

    it('notices by itself, some time after its last write', async () => {
      const rail = new MemoryRail({ clock: steppingClock() })
      const host = new Host(rail)
      const mark = rail.mark()
      host.send('a', mint(1n))
      while (host.told.length === 0) await host.step()
      rail.rewind(mark)
      await host.settle()
      expect([await rail.nonce(account), await rail.balance(account)]).toEqual([1, 1n])
      expect(done(host)).toEqual(['chain.write.done a', 'chain.write.lost a'])
    })

    it.each(['signed', 'broadcast'])('goes on with a write that was only %s', async (when) => {
      const rail = new MemoryRail({ clock: steppingClock() })
      const mark = rail.mark()
      let dies = false
      const host = new Host(altered(rail, {
        // Dies before the block is made: the bytes at the later nonce are lost as well.
        broadcast: async (bytes) => {
          if (!dies || when === 'signed') return rail.broadcast(bytes)
          dies = false
          rail.rewind(mark)
          return '0x'
        },
      }))
      host.send('a', mint(1n))
      await host.settle()
      dies = true
      host.send('b', mint(10n))
      await host.step()
      if (when === 'signed') rail.rewind(mark)
      await host.settle()
      expect([await rail.nonce(account), await rail.balance(account)]).toEqual([2, 11n])
      expect(done(host)).toEqual(['chain.write.done a', 'chain.write.lost a', 'chain.write.done b'])
    })

    /** A sender whose history does not reach back to what the chain has lost, with `write` signed and not sent. */
    const beyondMemory = async (write: RailWrite): Promise<{ rail: MemoryRail, host: Host }> => {
      const rail = new MemoryRail({ clock: steppingClock() })
      const host = new Host(rail)
      const mark = rail.mark()
      for (let i = 0; i < 40; i += 1) host.send(`w${i}`, mint(1n))
      await host.settle()
      host.send('late', write)
      await host.step()
      rail.rewind(mark)
      await host.settle()
      return { rail, host }
    }

    it('signs a repeatable write anew where the gap cannot be filled', async () => {
      const { rail, host } = await beyondMemory({ kind: 'approve', amount: 5n })
      expect(host.told.at(-1)?.event).toMatchObject({ type: 'chain.write.done', key: 'late' })
      expect(await rail.nonce(account)).toBe(1)
    })

    it('fails any other there, rather than do it twice, and takes the next', async () => {
      const { rail, host } = await beyondMemory(mint(5n))
      expect(host.told.at(-1)?.event).toMatchObject({ type: 'chain.write.failed', key: 'late', error: { code: 'chain.reverted' } })
      host.send('next', mint(7n))
      await host.settle()
      expect([await rail.nonce(account), await rail.balance(account)]).toEqual([1, 7n])
    })

    it('takes the chain as it is where the lost bytes are refused, as on another chain', async () => {
      const rail = new MemoryRail({ clock: steppingClock() })
      const mark = rail.mark()
      let old: readonly string[] = []
      const host = new Host(altered(rail, {
        broadcast: (bytes) => old.includes(bytes) ? Promise.reject(new AigenError('chain.reverted', 'invalid chain id')) : rail.broadcast(bytes),
      }))
      for (const key of ['a', 'b']) host.send(key, mint(1n))
      await host.settle()
      old = host.snapshot.context.history.map(({ bytes }) => bytes)
      rail.rewind(mark)
      host.send('c', mint(10n))
      await host.settle()
      expect(done(host).slice(2)).toEqual(['chain.write.lost a', 'chain.write.lost b', 'chain.write.done c'])
      expect([await rail.nonce(account), await rail.balance(account)]).toEqual([1, 10n])
    })

    it('keeps a bounded history', async () => {
      const host = new Host(new MemoryRail({ clock: steppingClock() }))
      for (let i = 0; i < 50; i += 1) host.send(`w${i}`, mint(1n))
      await host.settle()
      expect(host.snapshot.context.history.map(({ nonce }) => nonce)).toEqual(Array.from({ length: 32 }, (_, i) => 18 + i))
    })
  })

  it('tries a key again that failed before anything had left', async () => {
    const rail = new MemoryRail({ clock: steppingClock() })
    let down = true
    const host = new Host(altered(rail, { nonce: (of) => down ? Promise.reject(new AigenError('chain.unreachable')) : rail.nonce(of) }))
    host.send('a', mint(1n))
    await host.settle()
    expect(host.told).toMatchObject([{ event: { type: 'chain.write.failed', hash: null, error: { code: 'chain.unreachable' } } }])
    down = false
    host.send('a', mint(1n))
    await host.settle()
    expect(host.told).toMatchObject([{}, { event: { type: 'chain.write.done' } }])
    expect(await rail.balance(account)).toBe(1n)
  })

  it('refuses more than its queue holds', () => {
    const host = new Host(new MemoryRail({ clock: steppingClock() }))
    for (let i = 0; i <= 257; i += 1) host.send(`k${i}`, mint(1n))
    expect(host.told).toMatchObject([{ to: 'asker/k257', event: { type: 'chain.write.failed', error: { code: 'node.busy' } } }])
  })

  describe('of an account whose signer is a device', () => {
    const device = (rail: Rail, sign: OwnerSigner['sign']): Rail => altered(rail, { prepare: async (write, _signer, nonce, bump) => rail.prepare(write, { address: wallet.address, sign }, nonce, bump) })

    it('is told at once that it refuses or signs wrongly, nothing has left, and the next write goes its way', async () => {
      const rail = new MemoryRail({ clock: steppingClock() })
      for (const [sign, code] of [
        [() => { throw new AigenError('signer.refused') }, 'signer.refused'],
        [() => memoryWallet('somebody else').sign(new Uint8Array(32)), 'signer.wrong'],
      ] as const) {
        const host = new Host(device(rail, sign))
        host.send('a', mint(5n))
        await host.settle()
        expect(host.told).toMatchObject([{ event: { type: 'chain.write.failed', key: 'a', hash: null, error: { code } } }])
        expect(host.kinds).toEqual(['chain.sign'])
        expect(await rail.nonce(account)).toBe(0)
        // Asked again under the same key, it is asked for again: nothing had left.
        host.send('a', mint(5n))
        await host.settle()
        expect(host.kinds).toEqual(['chain.sign', 'chain.sign'])
      }
    })

    it('waits for one that is not plugged in, for so long', async () => {
      const rail = new MemoryRail({ clock: steppingClock() })
      let away = 3
      const host = new Host(device(rail, (digest) => {
        if (away-- > 0) throw new AigenError('signer.absent')
        return wallet.sign(digest)
      }))
      host.send('a', mint(5n))
      await host.settle()
      expect(host.told).toMatchObject([{ event: { type: 'chain.write.done', key: 'a' } }])
      away = Number.POSITIVE_INFINITY
      host.send('b', mint(5n))
      await host.settle()
      expect(host.told.at(-1)).toMatchObject({ event: { type: 'chain.write.failed', key: 'b', hash: null, error: { code: 'signer.absent' } } })
    })

    it('that signs otherwise each time does each write once, killed between the signature and its record', async () => {
      const rail = new MemoryRail({ clock: steppingClock() })
      let asked = 0
      // The digest is the same; what is signed differs in the bump, as a random k would have it differ.
      const host = new Host(altered(rail, { prepare: async (write, signer, nonce, bump = 0) => rail.prepare(write, signer, nonce, bump + (asked += 1)) }))
      const before = await rail.balance(account)
      host.send('a', mint(5n))
      await host.settle(true)
      expect(asked).toBe(2)
      expect(await rail.balance(account) - before).toBe(5n)
    })

    it('asks once whether to raise the fees of what is stuck, and leaves it as it is after a no', async () => {
      const rail = new MemoryRail({ clock: steppingClock() })
      let raised = 0
      const held = altered(rail, {
        broadcast: async () => `0x${'00'.repeat(32)}`,
        prepare: async (write, signer, nonce, bump = 0) => {
          if (bump === 0) return rail.prepare(write, signer, nonce, bump)
          raised += 1
          throw new AigenError('signer.refused')
        },
      })
      const host = new Host(held)
      host.send('a', mint(5n))
      for (let steps = 0; steps < 300; steps += 1) await host.step()
      expect(raised).toBe(1)
      expect(host.snapshot.context.current?.signed).toHaveLength(1)
      expect(host.told).toEqual([])
    })
  })
})
