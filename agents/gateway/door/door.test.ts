import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Pipeline } from '../../../schemas/documents.gen.ts'
import { systemClock } from '../../../runtime/node/system-clock.ts'
import { MemoryWorld, SHOUT, shouter } from '../../memory-network.fixture.ts'
import { openTestGateway, type TestGateway, type TestGatewayOptions } from '../gateway.fixture.ts'
import { HOUSE } from '../postings.ts'
import { gatewayApp } from './app.ts'
import { openApi } from './openapi.ts'

// Real sockets on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 })

const shout = {
  name: 'shout', version: '1.0.0', input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }, budget: { max: '0.05' },
  steps: { call: { uses: SHOUT.id, with: { text: '${input.text}' }, price: { max: '0.02' } } }, output: '${steps.call}',
} as unknown as Pipeline

describe('the gateway\'s door', () => {
  let world: MemoryWorld
  let gateway: TestGateway
  afterEach(async () => {
    await gateway.stop()
    await world.close()
  })

  async function open(options: TestGatewayOptions = {}): Promise<void> {
    world = new MemoryWorld()
    gateway = await openTestGateway(world, { pipelines: new Map([['shout', shout]]), ...options })
  }
  const ask = (path: string, key?: string, init: RequestInit & { headers?: Record<string, string> } = {}): Promise<Response> =>
    fetch(`${gateway.door.url}${path}`, { ...init, headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), 'content-type': 'application/json', ...init.headers } })
  const post = (path: string, key: string | undefined, body: unknown, headers: Record<string, string> = {}): Promise<Response> => ask(path, key, { method: 'POST', body: JSON.stringify(body), headers })

  it('runs a pipeline with live progress, answer and bill; once for its key; and shows it to nobody else', async () => {
    await open()
    await world.provider(shouter('p1', '0.01', 90))
    const ann = await gateway.account('ann@example.org', '1')
    const bob = await gateway.account('bob@example.org', '1')
    const response = await post('/v1/pipelines/shout/runs', ann.key, { input: { text: 'hi' } }, { 'accept': 'text/event-stream', 'idempotency-key': 'r1' })
    const events = (await response.text()).split('\n\n').filter((one) => one.includes('data: ')).map((one) => ({ event: /^event: (.*)$/m.exec(one)![1], data: JSON.parse(/^data: (.*)$/m.exec(one)![1]!) }))
    expect(events[0]).toMatchObject({ event: 'run', data: { pipeline: 'shout', held: '0.021' } })
    expect(events.filter(({ event }) => event === 'step').at(-1)!.data).toMatchObject({ step: 'call', state: 'done', provider: 'p1', charged: '0.01' })
    expect(events.at(-2)).toMatchObject({ event: 'answer', data: { output: { text: 'HI' }, state: 'done' } })
    expect(events.at(-1)).toMatchObject({ event: 'bill', data: { spent: '0.01', account: { state: 'settled', network: '0.01', fee: '0.0005', total: '0.0105' } } })
    const run = events[0]!.data.run as string
    // asked again under the same key: the same run
    const again = await post('/v1/pipelines/shout/runs', ann.key, { input: { text: 'hi' } }, { 'idempotency-key': 'r1' })
    expect(await again.json()).toMatchObject({ id: run, output: { text: 'HI' } })
    expect((await post('/v1/pipelines/shout/runs', ann.key, { input: { text: 'ho' } }, { 'idempotency-key': 'r1' })).status).toBe(422)
    expect(await (await ask(`/v1/pipelines/shout/runs/${run}/bill`, ann.key)).json()).toMatchObject({ run, account: { total: '0.0105' } })
    for (const path of [run, `${run}/events`, `${run}/bill`]) expect((await ask(`/v1/pipelines/shout/runs/${path}`, bob.key)).status).toBe(404)
    expect((await ask(`/v1/pipelines/shout/runs/${run}`, bob.key, { method: 'DELETE' })).status).toBe(404)
    expect((await gateway.ledger.audit()).balances[HOUSE.network]).toBe(10_000n)
  })

  it('a run goes on without its client, is cancelled by DELETE, and gives back what it did not need', async () => {
    await open()
    await world.provider(shouter('p1', '0.01', 90, { handler: async (_input, { signal }) => {
      await systemClock.sleep(30_000, signal)
      return { output: { text: '', quality: 1 }, units: { call: 1 } }
    }, latencyMs: 40_000 }))
    const { key, customer } = await gateway.account('ann@example.org', '1')
    const started = await post('/v1/pipelines/shout/runs', key, { input: { text: 'hi' } }, { prefer: 'respond-async' })
    const { id, state } = await started.json() as { id: string; state: string }
    expect([started.status, state]).toEqual([202, 'running'])
    expect((await ask(`/v1/pipelines/shout/runs/${id}`, key, { method: 'DELETE' })).status).toBe(202)
    for (let turn = 0; turn < 200 && (await gateway.ledger.open()).length > 0; turn++) await systemClock.sleep(25)
    expect(await (await ask(`/v1/pipelines/shout/runs/${id}`, key)).json()).toMatchObject({ state: 'cancelled' })
    expect(await gateway.ledger.customer(customer)).toMatchObject({ balance: 1_000_000n, held: 0n })
  }, 20_000)

  it.each([
    ['an unknown pipeline', 'shuot', { input: { text: 'x' } }, 404, 'pipeline.unknown'],
    ['inputs that do not fit', 'shout', { input: { txt: 'x' } }, 400, 'input.invalid'],
    ['a budget that is too small', 'shout', { input: { text: 'x' }, budget: '0.001' }, 402, 'budget.too-small'],
    ['somebody else\'s blob', 'shout', { input: { text: { $blob: `sha256-${'a'.repeat(64)}`, size: 1, mediaType: 'text/plain' } } }, 400, 'gateway.unsupported'],
    ['another field', 'shout', { inputs: {} }, 400, 'gateway.unsupported'],
  ])('refuses %s, and holds nothing', async (_what, name, body, status, code) => {
    await open()
    await world.provider(shouter('p1', '0.01', 90))
    const { key, customer } = await gateway.account('ann@example.org', '1')
    const response = await post(`/v1/pipelines/${name}/runs`, key, body)
    expect([response.status, (await response.json() as any).error.code]).toEqual([status, code])
    expect(await gateway.ledger.customer(customer)).toMatchObject({ balance: 1_000_000n, held: 0n })
  })

  it('an account is opened by sign-up, makes and revokes its keys with its session, and is on the tier of newcomers', async () => {
    await open({ tier: 'free' })
    await world.provider(shouter('p1', '0.01', 90))
    const signed = await post('/api/auth/sign-up/email', undefined, { email: 'new@example.org', password: 'a long password', name: 'new' })
    expect(signed.status).toBe(200)
    const cookie = signed.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ')
    const made = await post('/v1/keys', undefined, { name: 'mine', limits: { rpm: 5 } }, { cookie })
    const { key, id } = await made.json() as { key: string; id: string }
    expect([made.status, key.startsWith('ag_')]).toEqual([201, true])
    expect(await (await ask('/v1/key', key)).json()).toMatchObject({ data: { label: 'mine', limits: { rpm: 5 }, limit: null, usage: '0' } })
    expect(await (await ask('/v1/account', undefined, { headers: { cookie } })).json()).toMatchObject({ tier: 'free', free: { left: '0.02' }, balance: '0' })
    // the free quota does not reach for this pipeline, and a free account has nothing else
    expect((await post('/v1/pipelines/shout/runs', key, { input: { text: 'x' } })).status).toBe(200)
    expect((await post('/v1/pipelines/shout/runs', key, { input: { text: 'x' } })).status).toBe(402)
    expect((await post('/v1/keys', undefined, {}, {})).status).toBe(401)
    expect((await post('/v1/keys', key, {}, {})).status).toBe(401)
    // better-auth's own way to make keys, without limits, is closed
    expect((await post('/api/auth/api-key/create', undefined, { name: 'x' }, { cookie })).status).toBe(404)
    expect((await ask(`/v1/keys/${id}`, undefined, { method: 'DELETE', headers: { cookie } })).status).toBe(200)
    expect((await ask('/v1/key', key)).status).toBe(401)
  })

  it('bounds bodies, sends no CORS header, answers in one shape, and keeps particulars of its own faults to itself', async () => {
    await open()
    const { key } = await gateway.account('ann@example.org', '1')
    const large = await post('/v1/chat/completions', key, { model: 'text.chat@1', messages: [{ role: 'user', content: 'x'.repeat(3 * 2 ** 20) }] }, { origin: 'http://elsewhere.example' })
    expect([large.status, large.headers.get('access-control-allow-origin'), await large.json()]).toMatchObject([413, null, { error: { code: 'input.too-large' } }])
    expect(await (await ask('/nothing')).json()).toMatchObject({ error: { type: 'invalid_request_error', code: 'gateway.unknown', param: null } })
    expect((await ask('/v1/models', key, { method: 'GET' })).status).toBe(200)
    expect((await post('/v1/chat/completions', key, 'no object')).status).toBe(400)
    Object.assign(gateway.ledger, { customer: () => Promise.reject(new Error('secret particulars')) })
    const broken = await ask('/v1/account', key)
    expect([broken.status, await broken.text()]).toEqual([500, expect.not.stringContaining('secret')])
  })

  it('its OpenAPI document names every route and nothing else, and every reference resolves', async () => {
    await open()
    const document = openApi('http://x') as any
    const told = Object.entries(document.paths as Record<string, object>).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    const app = gatewayApp({ gateway, accounts: gateway.door.accounts }, () => 'http://x')
    const routes = app.routes.filter(({ method, path }) => method !== 'ALL' && !path.startsWith('/api/auth')).map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    expect(told.filter((one) => !one.includes('/api/auth')).sort()).toEqual([...new Set(routes)].sort())
    for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) expect(document.components.schemas).toHaveProperty(name!)
  })
})
