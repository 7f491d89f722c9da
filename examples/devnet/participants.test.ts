import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openKeys } from '../../runtime/identity/keys.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import { isKnown, knownAddress, layKnownWallets } from './known-wallets.ts'
import { PARTICIPANTS, participantsIn } from './participants.ts'

it('sells the models of vendors that the environment names, and waits for none of them', () => {
  expect(participantsIn({})).toEqual(PARTICIPANTS)
  const added = participantsIn({ OPENAI_API_KEY: 'k', OLLAMA_HOST: 'http://127.0.0.1:11434' }).slice(PARTICIPANTS.length)
  expect(added.map(({ name }) => name)).toEqual(['openai-models', 'ollama-models'])
  expect(added).toEqual(added.map(({ name }) => ({ name, role: 'provider', arguments: ['provide', './services/language-models'], optional: true })))
  // Keys are not among what a process is started with.
  expect(JSON.stringify(added)).not.toContain('"k"')
  expect(added.some(isKnown)).toBe(false)
})

it('providers and payment provider have their known wallets, and keep one that lies there already', async () => {
  const data = await mkdtemp(join(tmpdir(), 'aigen-known-'))
  const open = (name: string): ReturnType<typeof openKeys> => openKeys({ home: join(data, 'participants', name), random: systemRandom })
  try {
    const before = await open('quick-eye')
    await layKnownWallets(data, PARTICIPANTS)
    expect((await open('careful-eye')).participant).toBe(knownAddress('careful-eye'))
    expect((await open('quick-eye')).participant).toBe(before.participant)
    expect(await readdir(join(data, 'participants'))).not.toContain('north-watch')
  } finally {
    await rm(data, { recursive: true, force: true })
  }
})

it('the library names nobody else', async () => {
  const known = new Set<string>(PARTICIPANTS.filter(isKnown).map(({ name }) => knownAddress(name)))
  const folder = new URL('../../pipelines/library/', import.meta.url)
  const texts = await Promise.all((await readdir(folder)).filter((name) => name.endsWith('.json')).map((name) => readFile(new URL(name, folder), 'utf8')))
  const named = texts.flatMap((text) => text.match(/0x[0-9a-f]{40}/g) ?? [])
  expect(named.length).toBeGreaterThan(0)
  expect(named.filter((address) => !known.has(address))).toEqual([])
})
