/**
 * Participants of the simulated network that cheat, one seed in a few: their owners have put something
 * between the production node and its ports, its wire or its judgement. Sellers, payers, arbiters, hubs,
 * watchtowers and guardians; who does not is honest, and what those lose is counted (`losses`). Used by
 * `network.scenario`.
 */
import { signDelivery } from '../../runtime/payments/delivery.ts'
import type { PayRequest, PlainVoucher, ReputationEntry, Voucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { Node, Room } from '../../runtime/node/node.ts'
import type { Random } from '../../runtime/ports/random.ts'
import type { WalletSigner } from '../../runtime/ports/signer.ts'
import type { LifePorts } from '../../runtime/simulation/process.ts'
import { ARBITER, GUARDIAN, TOWER, type Work } from './work.ts'

const SELLERS = ['signs for rubbish', 'takes and is silent', 'keeps the key', 'asks for more', 'denies'] as const
const PAYERS = ['never pays', 'never folds', 'shows old vouchers', 'finds fault', 'leaves'] as const
const ARBITERS = ['is silent', 'rules for the payer', 'rules for the provider'] as const
const HUBS = ['grants nothing', 'takes a lock and pays nothing on', 'keeps the key'] as const
const TOWERS = ['sleeps', 'claims what is old'] as const
const GUARDIANS = ['praises the worst', 'damns everybody'] as const

export type Lie = (typeof SELLERS | typeof PAYERS | typeof ARBITERS | typeof HUBS | typeof TOWERS | typeof GUARDIANS)[number]

/** Who lies and how, by name. */
export type Liars = ReadonlyMap<string, Lie>

/** One seed in so many has a liar, and one in so many of those a second one of another role. */
const LIARS_EVERY = 4
const SECOND = 0.3
/** The share of calls in which a liar lies. */
const SHARE = 0.6

/** Liars of a seed; none where it has none. */
export function drawLiars(seed: number, { sellers, users, escrow, hub, tower, guardian }: Work, random: Random): Liars {
  if (seed % LIARS_EVERY !== 1) return new Map()
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.fraction() * from.length)]!
  /** Who lies in each role, and how; those that few networks have are twice as likely where they are. */
  const roles: (() => [string, Lie])[] = [() => [pick(sellers).name, pick(SELLERS)], () => [users.at(-1)!, pick(PAYERS)]]
  const few: readonly [boolean, string, readonly Lie[]][] = [[escrow, ARBITER, ARBITERS], [hub, ARBITER, HUBS], [tower, TOWER, TOWERS], [guardian, GUARDIAN, GUARDIANS]]
  for (const [there, name, kinds] of few) if (there) roles.push(() => [name, pick(kinds)], () => [name, pick(kinds)])
  const drawn = roles.toSorted(() => random.fraction() - 0.5).slice(0, random.fraction() < SECOND ? 2 : 1)
  return new Map(drawn.map((draw) => draw()))
}

const never = new Promise<never>(() => undefined)
const lies = (random: Random): boolean => random.fraction() < SHARE

/** A liar's judgement of outputs. */
export function lyingJudge(lie: Lie | undefined, honest: Evaluate): Evaluate {
  if (lie !== 'signs for rubbish' && lie !== 'finds fault') return honest
  return async (template, context) => (String(template).includes('output.quality') ? { ok: true, value: lie === 'signs for rubbish' } : honest(template, context))
}

/** A liar's ports; `arbiter` signs rulings. */
export function lyingPorts(lie: Lie | undefined, ports: LifePorts, arbiter: WalletSigner): LifePorts {
  if (lie === 'is silent') {
    const { bus } = ports
    return { ...ports, bus: { ...bus, get maxPayload() { return bus.maxPayload }, subscribe: (subject, handler, options) => bus.subscribe(subject, (message) => (message.subject.endsWith('.complain') ? never : handler(message)), options) } }
  }
  if (lie !== 'rules for the payer' && lie !== 'rules for the provider') return ports
  const { rail } = ports
  return {
    ...ports,
    rail: new Proxy(rail, {
      get(target, name) {
        if (name === 'prepare') {
          return (async (write, signer, ...rest) => {
            if (write.kind !== 'rule') return rail.prepare(write, signer, ...rest)
            const payeeAmount = lie === 'rules for the payer' ? 0n : write.voucher.amount
            return rail.prepare({ ...write, payeeAmount, signature: rail.signRuling({ voucher: digestOf(rail, write.voucher), payeeAmount }, arbiter) }, signer, ...rest)
          }) satisfies typeof rail.prepare
        }
        const value = Reflect.get(target, name, target) as unknown
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    }),
  }
}

const digestOf = (rail: LifePorts['rail'], voucher: Parameters<typeof rail.voucherDigest>[0]): `0x${string}` => `0x${Buffer.from(rail.voucherDigest(voucher)).toString('hex')}`

/** What a lying seller serves. */
export function lyingNode(lie: Lie | undefined, node: Node, random: Random): Node {
  return lie === undefined ? node : { ...node, wire: { ...node.wire, serve: lyingServe(lie, node.wire, random) } }
}

function lyingServe(lie: Lie, { serve, credentials: { sign } }: Node['wire'], random: Random): Node['wire']['serve'] {
  const asked = ['invoke', 'status', 'cancel']
  const bent = (verb: string, answer: any): unknown => {
    if (lie === 'grants nothing' && verb === 'route') return never
    if (lie === 'takes and is silent' && asked.includes(verb)) return lies(random) ? never : answer
    if (lie === 'keeps the key' && verb === 'pay') return { cumulative: answer.cumulative }
    if (lie === 'denies' && asked.includes(verb) && answer.delivery) return lies(random) ? { state: verb === 'status' ? 'unknown' : 'cancelled' } : answer
    if (lie === 'asks for more' && asked.includes(verb) && answer.delivery) {
      const { body } = answer.delivery
      return { ...answer, delivery: signDelivery({ ...body, amount: (BigInt(body.amount) * 2n).toString() }, sign) }
    }
    return answer
  }
  return (verb, validate, handler, options) => serve(verb, validate, async (body, call) => bent(verb, await handler(body, call)) as never, options)
}

/** A hub that lies. */
export function lyingHub(lie: Lie | undefined, random: Random): Room[] {
  if (lie === undefined || !HUBS.some((one) => one === lie)) return []
  return [({ wire }) => {
    const { call } = wire
    wire.serve = lyingServe(lie, { ...wire }, random)
    wire.call = async (to, verb, body, options) => {
      if (lie === 'takes a lock and pays nothing on' && verb === 'pay' && (body as PayRequest).voucher.kind === 'locked') throw new AigenError('network.timeout')
      return call(to, verb, body, options)
    }
    return { actors: [], effects: {} }
  }]
}

/** What a lying payer says on its wire. */
export function lyingRoom(lie: Lie | undefined, random: Random): Room[] {
  if (lie !== 'never pays' && lie !== 'never folds' && lie !== 'shows old vouchers') return []
  return [({ wire }) => {
    const { call } = wire
    const shown = new Map<string, PayRequest[]>()
    const kept = (voucher: Voucher, before: readonly PayRequest[]): boolean =>
      lie === 'never pays' || (lie === 'never folds' && voucher.kind === 'plain' && before.at(-1)?.voucher.kind === 'locked')
    wire.call = async (to, verb, body, options) => {
      if (verb !== 'pay') return call(to, verb, body, options)
      const request = body as PayRequest
      const before = shown.get(request.lane) ?? []
      if (kept(request.voucher, before)) {
        if (request.voucher.kind !== 'plain') throw new AigenError('network.timeout')
        // It goes on as if it had paid.
        return { cumulative: request.voucher.cumulative } as never
      }
      shown.set(request.lane, [...before, request].slice(-4))
      const again = (one: PayRequest): Promise<unknown> => call(to, verb, one, { ...options, callId: `again-${Math.floor(random.fraction() * 2 ** 40)}` }).catch(() => undefined)
      if (lie !== 'shows old vouchers') return call(to, verb, body, options)
      // Earlier ones before it, with it and after it, in any order.
      const old = before.flatMap((one) => (lies(random) ? [again(one)] : []))
      const [answer] = await Promise.all([call(to, verb, body, options), ...old, again(request)])
      await Promise.all(before.toReversed().map(again))
      return answer
    }
    return { actors: [], effects: {} }
  }]
}

/** What a tower that lies serves; `claim` puts vouchers on the chain at its own gas. */
export function lyingTower(lie: Lie | undefined, node: Node, claim: (vouchers: readonly PlainVoucher[]) => Promise<unknown>): Node {
  if (lie !== 'sleeps' && lie !== 'claims what is old') return node
  const given: PlainVoucher[] = []
  const serve: Node['wire']['serve'] = (verb, validate, handler, options) => node.wire.serve(verb, validate, async (body, call) => {
    if (verb !== 'guard') return handler(body, call)
    const { vouchers } = body as { readonly vouchers: readonly PlainVoucher[] }
    given.push(...vouchers)
    // The oldest last: after it nothing more could be claimed, if a chain counted by what came last.
    if (lie === 'claims what is old') await claim(given.toReversed()).catch(() => undefined)
    return { held: vouchers.map(({ lane, cumulative }) => ({ lane, cumulative })), refused: [] } as never
  }, options)
  return { ...node, wire: { ...node.wire, serve } }
}

/** What a guardian that lies reports. */
export function lyingReport(lie: Lie | undefined, entries: ReputationEntry[]): ReputationEntry[] {
  const none = { uptime: 0, success: 0, errors: 10_000, breaches: 10_000, p50Ms: 60_000, p95Ms: 60_000 }
  const all = { uptime: 10_000, success: 10_000, errors: 0, breaches: 0, p50Ms: 0, p95Ms: 0 }
  if (lie !== 'praises the worst' && lie !== 'damns everybody') return entries
  return entries.map((entry) => ({ ...entry, figures: { ...entry.figures, ...(lie === 'damns everybody' || (entry.figures.success ?? 10_000) > 5_000 ? none : all) } }))
}
