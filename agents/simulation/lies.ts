/**
 * Participants of the simulated network that cheat, one seed in a few: their owners have put something
 * between the production node and its ports, its wire or its judgement. A seller, a payer or an arbiter;
 * the others are honest, and what those lose is counted (`losses`). Used by `network.scenario`.
 */
import { signDelivery } from '../../runtime/payments/delivery.ts'
import type { PayRequest, Voucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { Node, Room } from '../../runtime/node/node.ts'
import type { Random } from '../../runtime/ports/random.ts'
import type { WalletSigner } from '../../runtime/ports/signer.ts'
import type { LifePorts } from '../../runtime/simulation/process.ts'
import { ARBITER, type Work } from './work.ts'

const SELLERS = ['signs for rubbish', 'takes and is silent', 'keeps the key', 'asks for more', 'denies'] as const
const PAYERS = ['never pays', 'never folds', 'shows old vouchers', 'finds fault', 'leaves'] as const
const ARBITERS = ['is silent', 'rules for the payer', 'rules for the provider'] as const
const HUBS = ['grants nothing', 'takes a lock and pays nothing on', 'keeps the key'] as const

export type Lie = (typeof SELLERS)[number] | (typeof PAYERS)[number] | (typeof ARBITERS)[number] | (typeof HUBS)[number]

/** Who lies and how, by name. */
export type Liars = ReadonlyMap<string, Lie>

/** One seed in so many has a liar, and one in so many of those a second one of another role. */
const LIARS_EVERY = 4
const SECOND = 0.3
/** The share of calls in which a liar lies. */
const SHARE = 0.6

/** Liars of a seed; none where it has none. */
export function drawLiars(seed: number, { sellers, users, escrow, hub }: Work, random: Random): Liars {
  const liars = new Map<string, Lie>()
  if (seed % LIARS_EVERY !== 1) return liars
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.fraction() * from.length)]!
  const roles = (['seller', 'payer', ...(escrow ? ['arbiter', 'arbiter'] as const : []), ...(hub ? ['hub', 'hub'] as const : [])] as const).toSorted(() => random.fraction() - 0.5)
  for (const role of roles.slice(0, random.fraction() < SECOND ? 2 : 1)) {
    if (role === 'seller') liars.set(pick(sellers).name, pick(SELLERS))
    else if (role === 'payer') liars.set(users.at(-1)!, pick(PAYERS))
    else liars.set(ARBITER, pick(role === 'hub' ? HUBS : ARBITERS))
  }
  return liars
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
