/**
 * Paid steps beside the same steps for nothing, both agreed one by one and under a standing agreement, turn
 * about in one run of the same two processes on one server and chain. An unpaid step is asked for, quoted, agreed, invoked, delivered and checked like the
 * paid one, without lane, voucher, hand-over and claim. Its delivery is signed all the same, so what a
 * signed delivery costs is measured by itself and counted to the payment. Used by `bench payments`.
 */
import Table from 'cli-table3'
import type { StepContext } from '../pipelines/step.ts'
import { hashOf } from '../schemas/canonical.ts'
import type { DeliveryBody } from '../schemas/documents.gen.ts'
import { createVerifier } from '../runtime/identity/signed.ts'
import { signDelivery } from '../runtime/payments/delivery.ts'
import { ownCpuMs } from './child.ts'
import { echo, freeEcho } from './echo.ts'
import type { Ground } from './ground.ts'
import { together, type Measured } from './line.ts'
import { measurePaidSteps, openMarket, warm, type How, type Market } from './paid-step.ts'
import { median, rounded } from './samples.ts'

/** Turns of each kind of step; the middle one counts. */
const TURNS = 7
const STEPS_PER_RUN = 50
const SIGNED = 400

export interface UnpaidOptions {
  /** How long each kind of step is measured at each concurrency, in all its turns. */
  readonly seconds: number
  readonly concurrency: readonly number[]
  say(line: object): void
  tell(text: string): void
}

interface StepsLine {
  readonly measure: 'steps'
  readonly kind: Kind
  readonly concurrency: number
  readonly steps: number
  readonly stepsPerSecond: number
  readonly cpuMsPerStep: number
  /** Deliveries that one voucher pays. */
  readonly stepsPerVoucher?: number
  /** Beside the unpaid steps of the same turns; of single agreements the signed delivery is included, which an unpaid step has too. */
  readonly paymentCpuMsPerStep?: number
  /** Share of the unpaid steps a second that payment takes. */
  readonly throughputLost?: number
}

type Kind = 'unpaid' | 'paid' | 'unpaid, standing' | 'paid, standing'
const KINDS: Readonly<Record<Kind, How>> = {
  unpaid: { uses: freeEcho.capability.id }, paid: { uses: echo.capability.id },
  'unpaid, standing': { uses: freeEcho.capability.id, standing: true }, 'paid, standing': { uses: echo.capability.id, standing: true },
}
/** What is held against what. */
const BESIDE: Readonly<Partial<Record<Kind, Kind>>> = { paid: 'unpaid', 'paid, standing': 'unpaid, standing' }

export async function measureUnpaid(ground: Ground, { seconds, concurrency, say, tell }: UnpaidOptions): Promise<void> {
  const market = await openMarket(ground)
  const lines: StepsLine[] = []
  try {
    for (const how of Object.values(KINDS)) await warm(market, STEPS_PER_RUN, how)
    const delivery = deliveryCpuMs(market)
    const voucher = voucherCpuMs(market)
    say({ bench: 'payments', measure: 'signatures', deliveryCpuMs: rounded(delivery, 3), voucherCpuMs: rounded(voucher, 3) })
    for (const atOnce of concurrency) {
      const turns: Record<Kind, Measured>[] = []
      const vouchers = new Map<Measured, number>()
      for (let turn = 0; turn < TURNS; turn++) {
        const each = {} as Record<Kind, Measured>
        // There and back: what one leaves behind falls on another each time.
        const kinds = Object.keys(KINDS) as Kind[]
        for (const kind of turn % 2 === 0 ? kinds : kinds.toReversed()) {
          let count = 0
          each[kind] = await measurePaidSteps(ground, market, atOnce, STEPS_PER_RUN, seconds / TURNS, KINDS[kind], () => {
            const counted = countVouchers(market)
            return () => void (count = counted())
          })
          vouchers.set(each[kind], count)
        }
        turns.push(each)
      }
      for (const kind of Object.keys(KINDS) as Kind[]) {
        const line = lineOf(kind, turns, delivery, vouchers)
        lines.push(line)
        say({ bench: 'payments', ...line })
      }
    }
    const table = new Table({ head: ['steps', 'at once', 'a second', 'CPU ms a step', 'of it payment', 'throughput lost', 'steps a voucher'], colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'], style: { head: [], border: [] } })
    for (const line of lines) table.push([line.kind, line.concurrency, line.stepsPerSecond, line.cpuMsPerStep, line.paymentCpuMsPerStep ?? '', line.throughputLost === undefined ? '' : `${rounded(line.throughputLost * 100, 1)} %`, line.stepsPerVoucher ?? ''])
    tell(`${table.toString()}\na signed delivery, made and checked: ${rounded(delivery, 3)} ms, counted to the payment; a voucher, signed and checked: ${rounded(voucher, 3)} ms`)
  } finally {
    await market.close()
  }
}

function lineOf(kind: Kind, turns: readonly Record<Kind, Measured>[], delivery: number, vouchers: ReadonlyMap<Measured, number>): StepsLine {
  const signed = turns.reduce((sum, each) => sum + vouchers.get(each[kind])!, 0)
  const all = turns.map((each) => each[kind]).reduce(together)
  const cpu = ({ cpuMs, steps }: Measured): number => cpuMs / Math.max(1, steps)
  const speed = ({ steps, wallMs }: Measured): number => (steps * 1_000) / wallMs
  const beside = BESIDE[kind]
  return {
    measure: 'steps', kind, concurrency: all.concurrency, steps: all.steps, stepsPerSecond: rounded(speed(all), 1), cpuMsPerStep: rounded(cpu(all), 3),
    ...(beside === undefined ? {} : {
      stepsPerVoucher: rounded(all.steps / Math.max(1, signed), 1),
      paymentCpuMsPerStep: rounded(median(turns.map((each) => cpu(each[kind]) - cpu(each[beside]))) + (kind === 'paid' ? delivery : 0), 3),
      throughputLost: rounded(1 - median(turns.map((each) => speed(each[kind]) / speed(each[beside]))), 3),
    }),
  }
}

/** Counts the vouchers that steps were paid by, until it is asked. */
function countVouchers({ user }: Market): () => number {
  const refs = new Set<string>()
  const stop = user.node.host.watch(({ kind, snapshot }) => {
    const { voucher } = (kind.name === 'step' ? snapshot.context : {}) as Partial<StepContext>
    if (voucher) refs.add(voucher.ref)
  })
  return () => {
    stop()
    return refs.size
  }
}

/** Milliseconds of this process for one voucher signed and one checked: the least that a step paid by one of its own can cost. */
function voucherCpuMs({ user: { node: { rail, keys } } }: Market): number {
  const once = (turn: number): void => {
    const voucher = { kind: 'plain', lane: `0x${'aa'.repeat(32)}`, cumulative: BigInt(turn), ref: `0x${'bb'.repeat(32)}` } as const
    if (rail.recover(voucher, rail.signVoucher(voucher, keys.voucher)) !== keys.voucher.address.toLowerCase()) throw new Error('a voucher does not verify')
  }
  for (let turn = 0; turn < SIGNED; turn++) once(turn)
  const before = ownCpuMs()
  for (let turn = 0; turn < SIGNED; turn++) once(SIGNED + turn)
  return (ownCpuMs() - before) / SIGNED
}

/** Milliseconds of this process for one delivery signed and one checked. */
function deliveryCpuMs({ user: { node } }: Market): number {
  const { credentials } = node.wire
  // One that remembers nothing that was signed here.
  const verifier = createVerifier(credentials.verifier.authorisations)
  const bodyOf = (call: number): DeliveryBody => ({ agreement: hashOf('a'), call, inputHash: hashOf('i'), outputHash: hashOf('o'), units: { call: 1 }, amount: '100', at: node.clock.now() })
  const once = (call: number): void => {
    const { body, signature } = signDelivery(bodyOf(call), credentials.sign)
    verifier.verify('delivery', body, signature, body.at)
  }
  for (let call = 0; call < SIGNED; call++) once(call)
  const before = ownCpuMs()
  for (let call = 0; call < SIGNED; call++) once(SIGNED + call)
  return (ownCpuMs() - before) / SIGNED
}
