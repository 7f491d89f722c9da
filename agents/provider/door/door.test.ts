/** The provider's door: an access key sealed, opened, used, over quota, expired, narrowed and revoked. */
import { afterEach, describe, expect, it } from 'vitest'
import { hashOf } from '../../../schemas/canonical.ts'
import type { AccessCaveat, OpenAccessKey } from '../../../schemas/documents.gen.ts'
import { attenuate } from '../../../runtime/identity/access-key.ts'
import { publicKeyOf } from '../../../runtime/identity/hpke.ts'
import { toText } from '../../../runtime/identity/text-bytes.ts'
import type { MemoryJournalHooks } from '../../../runtime/memory/journal.ts'
import { evaluateHere, keysOf, MemoryWorld, SHOUT, shouter } from '../../memory-network.fixture.ts'
import { callWithKey, openAccessKey, type KeyCall } from '../../user/key-client.ts'
import type { ProviderDefinition } from '../define.ts'
import { provideWithDoor, type ProviderWithDoor } from '../with-door.ts'

const root = new Uint8Array(32).fill(1)
const holder = new Uint8Array(32).fill(2)
const adminToken = 'operator'

describe('a provider\'s door', () => {
  const world: { now?: MemoryWorld } = {}
  const open: ProviderWithDoor[] = []
  afterEach(async () => {
    for (const one of open.splice(0)) await one.stop(0)
    await world.now?.close()
  })

  /** A provider on the disk of this name; opened again it goes on where it was. */
  async function provider(definition: ProviderDefinition = shouter('p1', '0.01', 90), hooks: MemoryJournalHooks = {}): Promise<ProviderWithDoor> {
    world.now ??= new MemoryWorld()
    const one = await provideWithDoor(definition, { ports: world.now.ports(definition.name, hooks), keys: keysOf(definition.name) }, evaluateHere, { root, adminToken })
    open.push(one)
    return one
  }
  const issue = async ({ access, url }: ProviderWithDoor, limits: AccessCaveat = {}): Promise<OpenAccessKey> =>
    openAccessKey(await access.issue({ holder: toText(publicKeyOf(holder)), limits, doors: [url] }), holder)
  const shout = (access: OpenAccessKey, change: Partial<KeyCall> = {}): Promise<unknown> =>
    callWithKey({ access, capability: SHOUT.id, input: { text: 'hi' }, ...change }).then(({ output }) => output.text, (error) => error.code)
  const narrowed = (access: OpenAccessKey, caveat: AccessCaveat): OpenAccessKey => ({ ...access, key: attenuate(access.key, caveat) })
  afterEach(() => { delete world.now })

  it('serves who holds a key, with a signed delivery that the invoice repeats', async () => {
    const one = await provider()
    const access = await issue(one, { calls: 5 })
    const answer = await callWithKey({ access, capability: SHOUT.id, input: { text: 'hi' } })
    expect(answer).toMatchObject({ output: { text: 'HI', quality: 90 }, price: '0.01', units: { call: 1 } })
    const { body } = await one.access.invoice(access.grant.body.id)
    expect(body).toMatchObject({ total: '10000', lines: [{ call: 0, capability: SHOUT.id, delivery: { body: { agreement: hashOf(access.grant.body), outputHash: hashOf(answer.output) } } }] })
    const status = await fetch(`${one.url}/v1/key`, { headers: { authorization: `Bearer ${access.key}` } })
    expect(await status.json()).toMatchObject({ limits: [{ calls: 5, used: { calls: 1, amount: '10000' } }] })
  })

  it('is sealed to its holder: another private key opens nothing, and neither does a changed file', async () => {
    const one = await provider()
    const sealed = await one.access.issue({ holder: toText(publicKeyOf(holder)), limits: {}, doors: [one.url] })
    await expect(openAccessKey(sealed, new Uint8Array(32).fill(9))).rejects.toMatchObject({ code: 'auth.forged' })
    await expect(openAccessKey({ ...sealed, holder: toText(publicKeyOf(new Uint8Array(32).fill(9))) }, holder)).rejects.toMatchObject({ code: 'auth.forged' })
    await expect(openAccessKey({ ...sealed, sealed: `AA${sealed.sealed.slice(2)}` }, holder)).rejects.toMatchObject({ code: 'auth.forged' })
    expect(JSON.stringify(sealed)).not.toContain('aigen_ak_')
  })

  it('a quota of ten serves ten of twenty that come at once, and a failed call gives its share back', async () => {
    let failing = true
    const one = await provider(shouter('p1', '0.01', 90, { concurrency: 4, handler: async ({ text }) => {
      if (failing) throw new Error('not now')
      return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
    } }))
    const access = await issue(one, { calls: 10 })
    expect(await shout(access)).toBe('step.failed')
    failing = false
    const answers = await Promise.all(Array.from({ length: 20 }, () => shout(access)))
    expect(answers.filter((text) => text === 'HI')).toHaveLength(10)
    expect(answers.filter((code) => code === 'key.quota')).toHaveLength(10)
    expect(one.access.show(access.grant.body.id)).toMatchObject({ served: 10, charged: '100000', underWay: 0 })
  })

  it('an amount holds as a count does, and a price for one call, a capability and a rate', async () => {
    const one = await provider()
    const access = await issue(one)
    const cheap = narrowed(access, { amount: '25000' })
    expect(await Promise.all([shout(cheap), shout(cheap), shout(cheap)])).toEqual(expect.arrayContaining(['HI', 'HI', 'key.quota']))
    expect(await shout(narrowed(access, { price: '9999' }))).toBe('key.scope')
    expect(await shout(narrowed(access, { capabilities: ['text.other@1'] }))).toBe('key.scope')
    const slow = narrowed(access, { perMinute: 2 })
    const answers = [await shout(slow), await shout(slow), await shout(slow), await shout(slow)]
    // a minute may begin in between
    expect(answers.filter((one) => one === 'key.rate').length).toBeGreaterThanOrEqual(1)
    await expect(one.access.issue({ holder: toText(publicKeyOf(holder)), limits: { capabilities: ['text.other@1'] }, doors: [] })).rejects.toMatchObject({ code: 'key.scope' })
  })

  it('an expired key serves nothing', async () => {
    const one = await provider()
    const access = await issue(one)
    expect(await shout(narrowed(access, { until: Date.now() + 60_000 }))).toBe('HI')
    expect(await shout(narrowed(access, { until: Date.now() - 1 }))).toBe('auth.expired')
  })

  it('narrowed keys count for their parent, and cannot be widened again', async () => {
    const one = await provider()
    const access = await issue(one, { calls: 3 })
    const [left, right] = [narrowed(access, { calls: 2 }), narrowed(access, { calls: 2 })]
    expect([await shout(left), await shout(left), await shout(left)]).toEqual(['HI', 'HI', 'key.quota'])
    // the two children share one mark, since they were narrowed alike
    expect(await shout(right)).toBe('key.quota')
    expect(await shout(narrowed(narrowed(access, { calls: 100 }), { calls: 50 }))).toBe('HI')
    expect(await shout(access)).toBe('key.quota')
    const [head] = access.key.split('.')
    expect(await shout({ ...access, key: `${head}.${left.key.split('.')[1]}` })).toBe('auth.forged')
  })

  it('a revoked key serves nothing from the next request on, and neither does any narrowed one', async () => {
    const one = await provider()
    const access = await issue(one)
    const child = narrowed(access, { calls: 5 })
    expect(await shout(child)).toBe('HI')
    await one.access.revoke(access.grant.body.id)
    expect([await shout(access), await shout(child)]).toEqual(['key.revoked', 'key.revoked'])
    expect((await one.access.invoice(access.grant.body.id)).body.total).toBe('10000')
  })

  it('the same idempotency key is the same call: done once, counted once; another body is refused', async () => {
    let worked = 0
    const one = await provider(shouter('p1', '0.01', 90, { handler: async ({ text }) => ({ output: { text: `${text} ${++worked}`, quality: 90 }, units: { call: 1 } }) }))
    const access = await issue(one, { calls: 1 })
    const repeats = await Promise.all(Array.from({ length: 5 }, () => shout(access, { idempotencyKey: 'a' })))
    expect([repeats, worked]).toEqual([Array.from({ length: 5 }, () => 'hi 1'), 1])
    expect(await shout(access, { idempotencyKey: 'a', input: { text: 'ho' } })).toBe('market.conflict')
    const both = await issue(one, { calls: 5 })
    const raced = await Promise.all(['one', 'other'].map((text) => shout(both, { idempotencyKey: 'b', input: { text } })))
    expect(raced.filter((answer) => answer === 'market.conflict')).toHaveLength(1)
  })

  it('killed between taking a use and serving it, it finishes the call once', async () => {
    let worked = 0
    let hold: (() => void) | undefined
    const definition = shouter('p1', '0.01', 90, { handler: async ({ text }) => {
      if (++worked === 1) await new Promise<void>((resolve) => { hold = resolve })
      return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
    } })
    const one = await provider(definition)
    const access = await issue(one, { calls: 1 })
    const lost = shout(access, { idempotencyKey: 'a' })
    await expect.poll(() => worked).toBe(1)
    // The process is gone: its journal is taken over by the next one.
    const again = await provider(definition)
    expect(await shout(access, { idempotencyKey: 'a', door: again.url })).toBe('HI')
    expect(await shout(access, { idempotencyKey: 'b', door: again.url })).toBe('key.quota')
    expect(again.access.show(access.grant.body.id)).toMatchObject({ served: 1, charged: '10000', underWay: 0 })
    hold?.()
    await lost
  })

  it('streams the pieces, and the whole at the end', async () => {
    const one = await provider(shouter('p1', '0.01', 90, {
      capability: { ...SHOUT, chunk: { type: 'object' } },
      handler: async ({ text }, { emit }) => {
        for (const letter of text) await emit({ letter })
        return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      },
    }))
    const heard: unknown[] = []
    expect(await shout(await issue(one), { onChunk: (chunk) => heard.push(chunk) })).toBe('HI')
    expect(heard).toEqual([{ letter: 'h' }, { letter: 'i' }])
  })

  it('a client that goes away stops the work, and nothing is counted', async () => {
    let stopped = false
    const one = await provider(shouter('p1', '0.01', 90, { handler: (_input, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => {
      stopped = true
      reject(new Error('stopped'))
    })) }))
    const access = await issue(one, { calls: 1 })
    const gone = new AbortController()
    const call = shout(access, { signal: gone.signal })
    await expect.poll(() => one.access.show(access.grant.body.id).underWay).toBe(1)
    gone.abort()
    expect(await call).toBe('step.cancelled')
    await expect.poll(() => [stopped, one.access.show(access.grant.body.id).underWay]).toEqual([true, 0])
  })

  it.each([
    ['no key', {}, 401], ['rubbish', { authorization: 'Bearer x' }, 400], ['another provider\'s key', { authorization: 'Bearer aigen_ak_WzEsImEiLFtdXQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }, 401],
  ])('%s gets %s', async (_what, headers, status) => {
    const one = await provider()
    const response = await fetch(`${one.url}/v1/capabilities/${SHOUT.id}`, { method: 'POST', headers: headers as Record<string, string>, body: '{"text":"hi"}' })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { code: expect.any(String), message: expect.any(String), hint: expect.any(String) } })
  })

  it('bad input names its path; statuses follow the table; the operator\'s side is closed to others', async () => {
    const one = await provider()
    const access = await issue(one, { calls: 1 })
    const post = (body: string, path = `/v1/capabilities/${SHOUT.id}`, key = access.key): Promise<Response> =>
      fetch(`${one.url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body })
    const missing = await post('{"txt":"hi"}')
    expect([missing.status, await missing.json()]).toEqual([422, { error: expect.objectContaining({ code: 'step.input', issues: expect.any(Array) }) }])
    expect((await post('{"text"')).status).toBe(400)
    expect((await post('{}', '/v1/capabilities/text.other@1')).status).toBe(403)
    expect((await post('{"text":"hi"}')).status).toBe(200)
    expect((await post('{"text":"hi"}')).status).toBe(402)
    expect((await post('{}', '/admin/keys')).status).toBe(401)
    expect((await fetch(`${one.url}/nowhere`)).status).toBe(404)
    expect((await fetch(`${one.url}/admin/keys`, { headers: { authorization: `Bearer ${adminToken}` } })).status).toBe(200)
  })
})
