/**
 * What a document costs before it runs: check and plan, by its number of steps, which must be flat per
 * step. No network; each size in turn, the fastest of a few, so that whoever else uses the machine counts less.
 */
import { readFileSync } from 'node:fs'
import { check } from '../pipelines/check.ts'
import { planOf } from '../pipelines/plan.ts'
import type { Capability } from '../schemas/documents.gen.ts'
import { ownCpuMs } from './child.ts'
import { rounded } from './samples.ts'

export interface PipelinesOptions {
  readonly steps: readonly number[]
  readonly rounds: number
  readonly say: (line: object) => void
  readonly tell: (text: string) => void
}

/** Steps of one round at least, so that small documents are measured for as long as large ones. */
const ROUND_STEPS = 10_000

const contract = (id: string): Capability => JSON.parse(readFileSync(new URL(`../../schemas/capabilities/${id}.json`, import.meta.url), 'utf8')) as Capability

/** Read, look for entities, ask a table for each, again and again: every step with data from the one before. */
function documentOf(steps: number): string {
  const kinds = [
    (before: string | undefined) => ({ uses: 'vision.ocr@1', with: { image: '${input.scan}' }, price: { max: '0.000001' }, expect: '${output.confidence > 85.0}', ...(before === undefined ? {} : { needs: [before] }) }),
    (before: string) => ({ uses: 'text.entities@1', with: { text: `\${steps.${before}.text}` }, price: { max: '0.000001' } }),
    (before: string) => ({ uses: 'data.query@1', with: { sql: 'SELECT 1', params: [`\${steps.${before}.places.size()}`] }, price: { max: '0.000001' }, retry: { attempts: 2 } }),
  ] as const
  return JSON.stringify({
    name: 'bench', version: '1.0.0', budget: { max: '1' },
    input: { type: 'object', required: ['scan'], properties: { scan: { $ref: 'aigen:blob#image' } } },
    steps: Object.fromEntries(Array.from({ length: steps }, (_, index) => [`s${index}`, kinds[index % 3]!(index === 0 ? undefined as never : `s${index - 1}`)])),
    output: { last: `\${steps.s${steps - 1}}` },
  }, null, 2)
}

/** One line for each size. Throws when a document does not check: then nothing was measured. */
export async function measurePipelines({ steps: sizes, rounds, say, tell }: PipelinesOptions): Promise<void> {
  const capabilities = new Map(['vision.ocr@1', 'text.entities@1', 'data.query@1'].map((id) => [id, contract(id)]))
  const once = (text: string): void => {
    const { ok, errors, pipeline, budget, graph } = check(text, { capabilities })
    if (!ok || !pipeline) throw new Error(`the document does not check: ${errors[0]?.path}: ${errors[0]?.message}`)
    planOf(pipeline, budget, graph)
  }
  const texts = sizes.map(documentOf)
  for (const text of texts) once(text)
  const best = sizes.map(() => ({ wallMs: Infinity, cpuMs: Infinity }))
  for (let round = 0; round < rounds; round++) {
    for (const [index, steps] of sizes.entries()) {
      const times = Math.max(1, Math.ceil(ROUND_STEPS / steps))
      const [cpu, wall] = [ownCpuMs(), performance.now()]
      for (let time = 0; time < times; time++) once(texts[index]!)
      const [cpuMs, wallMs] = [(ownCpuMs() - cpu) / times, (performance.now() - wall) / times]
      best[index] = { wallMs: Math.min(best[index]!.wallMs, wallMs), cpuMs: Math.min(best[index]!.cpuMs, cpuMs) }
    }
  }
  for (const [index, steps] of sizes.entries()) {
    const { wallMs, cpuMs } = best[index]!
    say({ bench: 'pipelines', what: 'check+plan', steps, wallMs: rounded(wallMs), cpuMs: rounded(cpuMs), cpuUsPerStep: rounded((cpuMs * 1_000) / steps) })
  }
  tell('check and plan of documents in which each step takes data from the one before; the fastest round of each')
}
