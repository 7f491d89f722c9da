/**
 * The two library pipelines over the real services, without market and money: every step's handler
 * is called directly, in dependency order, with the pipeline room's own check, plan and evaluator.
 * Says within seconds whether the pipelines still give the right figures on real data.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderDefinition } from '../../agents/provider/define.ts'
import { check } from '../../pipelines/check.ts'
import { makeBoundedEvaluator } from '../../pipelines/evaluate-bounded.ts'
import { planOf } from '../../pipelines/plan.ts'
import { accepts, evaluateWith, prepare } from '../../pipelines/prepare.ts'
import { compileSchema } from '../../schemas/compile-schema.ts'
import careful from './services/careful-ocr.ts'
import chart from './services/chart.ts'
import compute from './services/compute.ts'
import embed from './services/embed.ts'
import entities from './services/entities.ts'
import query from './services/query.ts'
import quick from './services/quick-ocr.ts'
import { testContext } from './services/test-context.ts'
import warm from './services/warm-query.ts'

/** Cheapest first, as a buyer without history would choose. */
const PROVIDERS: readonly ProviderDefinition[] = [quick, careful, entities, embed, query, warm, compute, chart]
const capabilities = new Map(PROVIDERS.map(({ capability }) => [capability.id as string, capability]))

interface Report { output: any; seconds: Record<string, number>; hired: Record<string, string>; chart: string }

async function run(name: string, input: (put: (bytes: Uint8Array, type: string) => unknown) => object): Promise<Report> {
  const report = check(readFileSync(new URL(`../../pipelines/library/${name}.json`, import.meta.url), 'utf8'), { capabilities })
  expect(report.errors).toEqual([])
  expect(report.warnings).toEqual([])
  const plan = planOf(report.pipeline!)
  const blobs = testContext()
  const bounded = makeBoundedEvaluator()
  const evaluate = evaluateWith(bounded)
  const context = { input: input(blobs.put) as never, steps: {} as Record<string, any> }
  const seconds: Record<string, number> = {}
  const hired: Record<string, string> = {}
  try {
    for (const id of plan.order) {
      const step = plan.steps[id]!
      const prepared = await prepare(step, context, evaluate)
      if (prepared.kind !== 'input') throw new Error(`${id} gave ${prepared.kind}`)
      const { capability } = PROVIDERS.find((provider) => provider.capability.id === step.uses)!
      expect(compileSchema(capability.input as never).issues(prepared.input), `${id} input`).toEqual([])
      for (const provider of PROVIDERS.filter((one) => one.capability.id === step.uses).slice(0, step.attempts)) {
        const from = performance.now()
        const { output, units } = await provider.handler(prepared.input, blobs)
        seconds[id] = (performance.now() - from) / 1_000
        expect(compileSchema(capability.output as never).issues(output), `${id} output`).toEqual([])
        const worth = Number(provider.price.list) * units[capability.unit]!
        expect(worth, `${id} price`).toBeLessThanOrEqual(Number(step.maxPrice) / 1e6)
        expect(provider.latencyMs, `${id} deadline`).toBeLessThanOrEqual(step.deadlineMs)
        hired[id] = provider.name
        if ((await accepts(step.expect, output, evaluate)).ok) {
          context.steps[id] = output
          break
        }
      }
      if (!(id in context.steps)) throw new Error(`nobody could do ${id}`)
    }
    const answer = await evaluate(plan.output.template, context)
    if (!answer.ok) throw new Error(answer.message)
    const output: any = answer.value
    return { output, seconds, hired, chart: new TextDecoder().decode(await blobs.load(output.chart)) }
  } finally {
    await bounded.close()
  }
}

const scan = (name: string) => (put: (bytes: Uint8Array, type: string) => unknown): object =>
  ({ scan: put(readFileSync(new URL(`./scans/${name}`, import.meta.url)), 'image/png') })

describe('the library on real data', () => {
  beforeAll(async () => { for (const provider of PROVIDERS) await provider.start?.() })
  afterAll(async () => { for (const provider of PROVIDERS) await provider.stop?.() })

  it.each([['memo.png', 'quick-eye'], ['memo-poor.png', 'careful-eye']])('scan-desk on %s is read by %s', async (file, reader) => {
    const { output, hired, chart: svg, seconds } = await run('scan-desk', scan(file))
    if (process.env['AIGEN_SHOW']) console.log(file, output, seconds)
    expect(hired['read']).toBe(reader)
    expect(output.figures).toMatchObject({
      iata: 'ORD', date: '2001-03-14', cost: 148_250, species: 'Canada goose', airport: "CHICAGO O'HARE INTL ARPT",
      strikes: 430, costed: 10, dearer: 3, species_strikes: 190, species_costed: 26, species_mean: 591_918,
    })
    expect(output.figures.day).toMatchObject({ day: '2001-03-14', flights: 953 })
    expect(output.summary).toContain('n=10')
    expect(output.kind).toMatch(/^extractive/)
    expect(svg).toContain('Mean departure delay from ORD')
  })

  it('quake-week draws the week', async () => {
    const { output, chart: svg, seconds } = await run('quake-week', () => ({ magnitude: 4.5 }))
    if (process.env['AIGEN_SHOW']) console.log(output, seconds)
    expect(output.figures.strongest[0]).toMatchObject({ magnitude: 6.4 })
    expect(output.summary).toMatch(/^USGS recorded \d+ earthquakes from 2018-01-31 to 2018-02-07/)
    expect(svg.length).toBeGreaterThan(20_000)
  })
})
