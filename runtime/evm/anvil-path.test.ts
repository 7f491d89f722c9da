import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { anvilPath } from './anvil.ts'

it('the binary of this platform is found where npm put it', () => {
  expect(existsSync(anvilPath())).toBe(true)
})

it('an anvil that npm left out is anvil.missing, with what to do', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'aigen-empty-'))
  try {
    expect(() => anvilPath([pathToFileURL(join(empty, 'anvil.ts')).href])).toThrow(expect.objectContaining({ code: 'anvil.missing', rule: expect.objectContaining({ hint: expect.stringMatching(/npm install|AIGEN_RPC_URL/) }) }))
  } finally {
    await rm(empty, { recursive: true, force: true })
  }
})
