/** What `--input` words of an agent become. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readAgentInputs } from './agent-inputs.ts'

let folder = ''
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'aigen-inputs-')) })
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('takes JSON as JSON, text as text, files by what they are', async () => {
  writeFileSync(join(folder, 'note.txt'), 'hello')
  writeFileSync(join(folder, 'list.json'), '[1, 2]')
  writeFileSync(join(folder, 'scan.png'), Buffer.from('89504e470d0a1a0a00', 'hex'))
  const { inputs, blobs } = await readAgentInputs(['n=3', 'city=Denver', 'at=@@home', 'note=@note.txt', 'list=@list.json', 'scan=@scan.png'], folder)
  expect(inputs).toMatchObject({ n: 3, city: 'Denver', at: '@home', note: 'hello', list: [1, 2], scan: { $blob: expect.stringMatching(/^sha256-/), size: 9, mediaType: 'image/png' } })
  expect(blobs).toMatchObject([{ mediaType: 'image/png' }])
})

it.each([['x'], ['1=2'], ['a=@nowhere.txt']])('refuses %s', async (word) => {
  await expect(readAgentInputs([word], folder)).rejects.toMatchObject({ code: 'usage.invalid' })
})

it('refuses the same one twice', async () => {
  await expect(readAgentInputs(['a=1', 'a=2'], folder)).rejects.toMatchObject({ code: 'usage.invalid' })
})
