/**
 * npm run layers: holds the layers and fences of .dependency-cruiser.cjs, and proves that it can.
 *
 * First a violation of every rule is planted in a temporary folder and must be reported: a parser
 * that silently reads no TypeScript would otherwise call any repository clean. Then the repository
 * itself is read; exit 1 at a violation, or when no TypeScript module was seen.
 */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise } from 'dependency-cruiser'

const root = fileURLToPath(new URL('..', import.meta.url))
const config = createRequire(import.meta.url)('../.dependency-cruiser.cjs')
const ROOMS = ['index.ts', 'llm.ts', 'schemas', 'runtime', 'pipelines', 'agents', 'examples', 'bin', 'bench']

const found = await selfTest()
const missed = config.proofs.filter(({ name, from }) => !found.some((violation) => violation.rule.name === name && (violation.from === from || violation.to === from)))
for (const { name, from } of missed) console.error(`The rule ${name} did not report the violation planted in ${from}: mend .dependency-cruiser.cjs.`)

const { modules, summary } = await read(root)
const seen = modules.filter(({ source }) => source.endsWith('.ts') && !source.includes('node_modules'))
const linked = seen.filter(({ dependencies }) => dependencies.length > 0)
const comments = new Map(config.forbidden.map(({ name, comment }) => [name, comment]))
for (const { rule, from, to, cycle } of summary.violations) {
  console.error(`${from} → ${cycle ? cycle.map(({ name }) => name).join(' → ') : to}\n  ${rule.name}: ${comments.get(rule.name)}`)
}
if (linked.length === 0) console.error('No TypeScript module with an import was seen: the parser (@swc/core) does not work here.')

const failed = missed.length > 0 || summary.violations.length > 0 || linked.length === 0
console.log(`layers: ${config.proofs.length - missed.length} of ${config.proofs.length} planted violations reported; ${seen.length} TypeScript modules, ${summary.violations.length} violations`)
process.exitCode = failed ? 1 : 0

/** Violations dependency-cruiser reports in a little house of its own, one planted for every rule. */
async function selfTest() {
  const house = realpathSync(mkdtempSync(join(tmpdir(), 'aigen-layers-')))
  try {
    const files = new Map()
    const add = (path, line) => files.set(path, `${files.get(path) ?? ''}${line}\n`)
    for (const { from, imported } of config.proofs) {
      add(from, `import type { x as x${files.size} } from '${imported}'`)
      if (imported.startsWith('.') && !imported.includes('missing')) {
        const target = join(dirname(from), imported)
        add(target, 'export type x = 1')
        if (imported.includes('ring-back')) add(target, `import type { y } from './ring.ts'`)
      }
    }
    for (const [path, text] of files) {
      mkdirSync(join(house, dirname(path)), { recursive: true })
      writeFileSync(join(house, path), text)
    }
    writeFileSync(join(house, 'package.json'), JSON.stringify({ type: 'module', dependencies: { viem: '2', xstate: '5', '@nats-io/nats-core': '3' }, devDependencies: { 'fast-check': '4' } }))
    symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'), 'junction')
    return (await read(house)).summary.violations
  } finally {
    rmSync(house, { recursive: true, force: true })
  }
}

async function read(baseDir) {
  const { options, forbidden } = config
  const { output } = await cruise(
    ROOMS.filter((room) => existsSync(join(baseDir, room))),
    { ...options, baseDir, validate: true, ruleSet: { forbidden } },
    options.enhancedResolveOptions,
  )
  return output
}
