import { expect, test } from 'vitest'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { checkInputs, fileInputs, readInputs } from './input.ts'
import { scanDesk } from './scan-desk.fixture.ts'

const pipeline = scanDesk as unknown as Pipeline
const scan = { $blob: `sha256-${'0'.repeat(64)}`, size: 3, mediaType: 'image/png' }

test('words become values and files', () => {
  expect(readInputs(pipeline, ['scan=@memo.png', 'limit=7', 'note=@@home = 1'])).toEqual({
    values: { limit: 7, note: '@home = 1' },
    files: [{ input: 'scan', file: 'memo.png', as: 'blob', kind: 'image' }],
  })
  expect(readInputs(pipeline, ['note=@note.txt', 'limit=@n.json']).files.map(({ as }) => as)).toEqual(['text', 'json'])
  expect(fileInputs(pipeline)).toEqual({ scan: 'image' })
})

test.each<[words: string[], path: string, message: RegExp, hint?: string]>([
  [['scna=@x'], 'scna', /no input scna/, 'Did you mean scan?'],
  [['scan'], 'scan', /expected name=value/],
  [['=1'], '', /expected name=value/],
  [['limit=seven'], 'limit', /wants integer/],
  [['limit=1', 'limit=2'], 'limit', /twice/],
  [['scan=memo.png'], 'scan', /wants a file/, 'Write scan=@path.'],
  [['scan=@'], 'scan', /a file behind the @/],
])('%j is refused', (words, path, message, hint) => {
  try {
    readInputs(pipeline, words)
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ code: 'usage.invalid', issues: [{ path, message: expect.stringMatching(message), ...(hint ? { hint } : {}) }] })
  }
})

test('the whole is judged by the schema, with its defaults', () => {
  expect(checkInputs(pipeline, { scan })).toEqual({ inputs: { scan, limit: 5 }, issues: [] })
  expect(checkInputs(pipeline, undefined).issues).toMatchObject([{ path: 'scan' }])
  expect(checkInputs(pipeline, { scan: { ...scan, mediaType: 'audio/ogg' } }).issues).not.toEqual([])
  expect(checkInputs(pipeline, { scan, other: 1 }).issues).not.toEqual([])
  expect(checkInputs({ ...pipeline, input: undefined } as unknown as Pipeline, { a: 1 }).issues).toEqual([{ path: 'a', message: 'the pipeline declares no input' }])
})
