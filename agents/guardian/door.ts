/**
 * A guardian's HTTP door (D9): what guardians agreed on, for anyone, without an account. Answers carry
 * the quorum's signatures, so nobody has to believe this guardian (`verifyRegistry`, `verifyEntry`).
 *
 *   GET /reputation                 the latest registry
 *   GET /reputation/:participant    its entries in it, each with its proof
 *   GET /epochs/:n                  the registry of that epoch
 */
import { Hono, type Context } from 'hono'
import { cors } from 'hono/cors'
import { AigenError, asError } from '../../schemas/error.ts'
import { proveEntries, reputationSubject, verifyRegistry } from '../../runtime/market/registry.ts'
import type { Node } from '../../runtime/node/node.ts'
import { decodeJson } from '../../schemas/decode.ts'
import type { GuardianSet, Registry } from '../../schemas/documents.gen.ts'
import { openDoor, type OpenDoor } from '../http/door.ts'
import { httpStatus } from '../http/status.ts'

/** The door as an application, for a server or a test. */
export function reputationDoor({ reputation, bus }: Pick<Node, 'reputation' | 'bus'>, set: GuardianSet): Hono {
  const app = new Hono()
  const refuse = (context: Context, thrown: unknown, status?: number): Response => {
    const error = asError(thrown)
    return context.json({ error: { ...error.toJSON(), hint: error.rule.hint } }, (status ?? httpStatus(error.code)) as 400)
  }
  const latest = (): Registry => {
    const registry = reputation.registry()
    if (!registry) throw new AigenError('reputation.unknown', 'no epoch has closed yet')
    return registry
  }
  app.onError((thrown, context) => refuse(context, thrown))
  app.notFound((context) => refuse(context, new AigenError('usage.invalid', `There is nothing at ${context.req.method} ${context.req.path}.`), 404))
  // Public and read-only: pages of any origin may read it.
  app.use(cors())
  app.get('/healthz', (context) => context.json({ ok: true }))
  app.get('/reputation', (context) => context.json(latest()))
  app.get('/reputation/:participant', (context) => {
    const participant = context.req.param('participant').toLowerCase()
    const registry = latest()
    const entries = proveEntries(registry, participant)
    if (entries.length === 0) throw new AigenError('reputation.unknown', participant)
    return context.json({ epoch: registry.header.epoch, entries })
  })
  app.get('/epochs/:n', async (context) => {
    const text = context.req.param('n')
    if (!/^[0-9]{1,15}$/.test(text)) throw new AigenError('usage.invalid', `There is no epoch ${text}.`)
    return context.json(reputation.registry(Number(text)) ?? (await keptEpoch(bus, set, Number(text))))
  })
  return app
}

/** Serves the door on a port; 0 takes a free one. Error `node.locked` when it is taken. */
export function openReputationDoor(node: Pick<Node, 'reputation' | 'bus'>, set: GuardianSet, options: { readonly port?: number; readonly hostname?: string } = {}): Promise<OpenDoor> {
  return openDoor(reputationDoor(node, set), options)
}

/** An older epoch, from the network's stream. Error `reputation.unknown`. */
async function keptEpoch(bus: Node['bus'], set: GuardianSet, epoch: number): Promise<Registry> {
  for await (const { data } of bus.kept(reputationSubject(epoch))) {
    const registry = verifyRegistry(decodeJson(data), set)
    if (registry.header.epoch === epoch) return registry
  }
  throw new AigenError('reputation.unknown', `epoch ${epoch}`)
}
