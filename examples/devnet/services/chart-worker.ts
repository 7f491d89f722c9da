/**
 * The thread in which strangers' charts are drawn: Vega-Lite to SVG. Started by chart.ts only,
 * which kills it at the deadline; its memory is bounded by the thread's limits.
 *
 * I8: nothing is loaded. Specifications that name a URL are refused, and the loader itself refuses
 * too, whatever way to it a specification finds.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parentPort } from 'node:worker_threads'
import * as vega from 'vega'
import { compile } from 'vega-lite'
import type { TopLevelSpec } from 'vega-lite'

const SIDE_MAX = 2_000
const MARKS_MAX = 20_000
const SVG_CHARS_MAX = 4_000_000
const SPEC_CHARS_MAX = 100_000
const VISITS_MAX = 20_000
/** `url` loads data, `href` and image marks make the reader's browser load things. */
const FORBIDDEN_KEYS = new Set(['url', 'href'])

interface Job { job: number; input: { spec: Record<string, unknown>; data?: Record<string, unknown[]> } }

class SpecError extends Error {}

/** The land of the earth (Natural Earth, public domain), which every map may use as "world". */
const world = ((): unknown[] => {
  const folder = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data')
  const topology: unknown = JSON.parse(readFileSync(join(folder, 'world-110m.json'), 'utf8'))
  return vega.read(topology as string, { type: 'topojson', feature: 'land' } as never) as unknown[]
})()

const loader = {
  load: (): Promise<never> => Promise.reject(new SpecError('Nothing is loaded: give the data in `data`.')),
  sanitize: (): Promise<never> => Promise.reject(new SpecError('Links are not drawn.')),
  http: (): Promise<never> => Promise.reject(new SpecError('Nothing is loaded.')),
  file: (): Promise<never> => Promise.reject(new SpecError('Nothing is loaded.')),
}

async function draw({ spec, data = {} }: Job['input']): Promise<{ svg: string; width: number; height: number; marks: number }> {
  if (JSON.stringify(spec).length > SPEC_CHARS_MAX) throw new SpecError(`The specification is over ${SPEC_CHARS_MAX} characters.`)
  judge(spec, { visits: 0 })
  const problems: string[] = []
  const logger = vega.logger(vega.Error)
  logger.error = (...parts: readonly unknown[]) => {
    problems.push(parts.map((part) => (part instanceof Error ? part.message : String(part))).join(' '))
    return logger
  }
  const runtime = shape(() => {
    const whole = { ...spec, datasets: { world, ...data } } as unknown as TopLevelSpec
    return vega.parse(compile(whole, { logger }).spec)
  })
  const view = new vega.View(runtime, { renderer: 'none', loader: loader as never, logger })
  try {
    await view.runAsync()
    if (problems[0] !== undefined) throw new SpecError(problems[0].slice(0, 300))
    const marks = countMarks((view.scenegraph() as unknown as { root: Scene }).root, 0)
    if (marks > MARKS_MAX) throw new SpecError(`The chart has over ${MARKS_MAX} marks.`)
    const svg = await view.toSVG()
    const size = /<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg)
    const width = Number(size?.[1])
    const height = Number(size?.[2])
    if (!(width <= SIDE_MAX && height <= SIDE_MAX)) throw new SpecError(`The chart would be ${width} × ${height} pixels, ${SIDE_MAX} are allowed.`)
    if (svg.length > SVG_CHARS_MAX) throw new SpecError(`The drawing has ${svg.length} characters, ${SVG_CHARS_MAX} are allowed.`)
    return { svg, width, height, marks }
  } finally {
    view.finalize()
  }
}

interface Scene { items?: Scene[] }

function countMarks(scene: Scene, before: number): number {
  let count = before
  for (const item of scene.items ?? []) {
    count = countMarks(item, count + 1)
    if (count > MARKS_MAX) return count
  }
  return count
}

/** Refuses what would load something, at any depth; also bounds the number of parts. */
function judge(value: unknown, walk: { visits: number }): void {
  walk.visits += 1
  if (walk.visits > VISITS_MAX) throw new SpecError('The specification has too many parts.')
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(key)) throw new SpecError(`\`${key}\` is not drawn: nothing is loaded, no links are made.`)
    if (item === 'image' && (key === 'mark' || key === 'type')) throw new SpecError('Image marks are not drawn.')
    judge(item, walk)
  }
}

/** Whatever the compiler throws on a specification is the specification's fault. */
function shape<T>(make: () => T): T {
  try {
    return make()
  } catch (thrown) {
    throw new SpecError(thrown instanceof Error ? thrown.message.slice(0, 300) : 'The specification cannot be drawn.', { cause: thrown })
  }
}

parentPort?.on('message', (message: Job) => {
  draw(message.input).then(
    (output) => parentPort?.postMessage({ job: message.job, output }),
    (thrown: unknown) => {
      const detail = thrown instanceof Error ? thrown.message : String(thrown)
      parentPort?.postMessage({ job: message.job, error: { message: detail.slice(0, 500), fault: 'caller' } })
    },
  )
})
parentPort?.postMessage({ ready: true })
