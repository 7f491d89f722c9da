/** Every code rule reports its planted violation, says what to do, and lets clean files be. */
import { expect, it } from 'vitest'
// @ts-expect-error plain JavaScript without declarations
import { violationsOf } from './rules.js'

const HEAD = '/** What it is. */\n'

it.each<[string, string, string]>([
  ['runtime/utils.ts', HEAD, 'name it after'],
  ['runtime/types.test.ts', HEAD, 'name it after'],
  ['agents/user/index.ts', HEAD, 'name it after'],
  ['runtime/helpers/lane.ts', HEAD, 'name the folder after'],
  ['pipelines/shared/scan.json', '', 'name the folder after'],
  ['runtime/lane.ts', HEAD + 'x\n'.repeat(300), 'has 301 lines'],
  ['runtime/lane.ts', 'export const x = 1\n', 'has no comment on top'],
  ['bin/run.js', '#!/usr/bin/env node\nexport const x = 1\n', 'has no comment on top'],
  ['runtime/lane.ts', `${HEAD}const at = Date.now()\n`, ':2 reads the time'],
  ['runtime/lane.ts', `${HEAD}const at = [1].map(Date.now)\n`, ':2 reads the time'],
  ['runtime/lane.ts', `${HEAD}const at = new Date( )\n`, ':2 reads the time'],
  ['runtime/lane.test.ts', `${HEAD}Math.random()\n`, ':2 calls Math.random'],
  ['runtime/lane.test.ts', `${HEAD}\ndescribe${'.only'}('x', () => {})\n`, ':3 keeps tests from running'],
  ['runtime/lane.test.ts', `${HEAD}it${'.skip'}('x', () => {})\n`, ':2 keeps tests from running'],
  ['runtime/lane.ts', `${HEAD}// ${'TO'}DO later\n`, ':2 leaves work behind'],
  ['runtime/lane.ts', `${HEAD}const at = '/${'root'}/lanes/x'\n`, ':2 names a path'],
])('%s: %#', (path, text, says) => {
  expect(violationsOf(path, text)).toEqual([expect.stringContaining(says)])
})

it.each<[string, string]>([
  ['runtime/lane.ts', `${HEAD}const at = new Date(clock.now()) // not Date.now()\nconst text = 'Math.random()'\n`],
  ['runtime/lane.ts', HEAD + 'x\n'.repeat(299)],
  ['runtime/lane.test.ts', `${HEAD}const at = Date.now()\n${'x\n'.repeat(500)}`],
  ['bin/main.ts', `${HEAD}const at = Date.now()\n`],
  ['runtime/node/system-clock.ts', `${HEAD}Date.now()\n`],
  ['schemas/documents.gen.ts', 'x\n'.repeat(900)],
  ['index.ts', HEAD],
  ['package.json', '{}'],
])('%s is clean: %#', (path, text) => {
  expect(violationsOf(path, text)).toEqual([])
})
