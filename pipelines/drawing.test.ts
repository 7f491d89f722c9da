import { describe, expect, test } from 'vitest'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { drawingOf, type Drawing } from './drawing.ts'
import { SVG_NODES_MAX, svgOf } from './drawing-svg.ts'
import { graphOf } from './graph.ts'
import { mermaidOf } from './mermaid.ts'
import { worstCaseOf } from './price.ts'
import { scanDesk } from './scan-desk.fixture.ts'

const price = { max: '0.01' }
const every = {
  name: 'every', version: '1.0.0', budget: { max: '5' },
  pipelines: { inner: { name: 'inner', version: '1.0.0', steps: { a: { uses: 'x@1', price }, b: { uses: 'x@1', price, with: { v: '${steps.a.v}' } } }, output: { v: '${steps.b.v}' } } },
  steps: {
    read: { uses: 'vision.ocr@1', price, retry: { attempts: 2 }, expect: '${output.confidence > 85.0}' },
    many: { uses: 'x@1', price, forEach: '${steps.read.places}', maxItems: 20, parallel: 4, tolerate: 2 },
    vote: { uses: 'x@1', price, with: { v: '${steps.read.v}' }, quorum: { providers: 3, agree: 2 } },
    first: { uses: 'x@1', price, with: { v: '${steps.read.v}' }, race: { providers: 2 }, compensate: { uses: 'undo.it@1', price: { max: '0.02' } } },
    pieces: { uses: 'x@1', price, forEach: '${chunks.read}', maxItems: 9 },
    other: { uses: 'x@1', price, providers: { differ: ['read'] } },
    pick: { switch: [{ when: '${steps.vote.v > 3}', uses: 'y@1', price }, { value: 1 }] },
    alarm: { uses: 'x@1', price, if: "${meta.pick.state == 'failed'}", fallback: { value: {} } },
    sign: { needs: ['alarm'], approve: { by: 'owner', timeout: '1h' } },
    nap: { needs: ['sign'], wait: { signal: 'go' } },
    below: { pipeline: 'inner', with: { v: '${steps.many}' } },
    after: { uses: 'x@1', price, with: { v: '${steps.below.v}' } },
  },
  output: { v: '${steps.after}' },
} as unknown as Pipeline

const draw = (pipeline: Pipeline): Drawing => drawingOf(pipeline, worstCaseOf(pipeline, graphOf(pipeline)))
const drawing = draw(every)
const node = (id: string) => drawing.nodes.find((one) => one.id === id)
const edge = (from: string, to: string) => drawing.edges.find((one) => one.from === from && one.to === to)

describe('a drawing', () => {
  test('has every step with what it hires, its cap and what decides about it', () => {
    expect(node('read')).toMatchObject({ kind: 'hire', does: 'vision.ocr@1', cap: '0.01', many: false, notes: ['up to 2 attempts, elsewhere', 'paid if output.confidence > 85.0'] })
    expect(node('many')).toMatchObject({ many: true, notes: ['for each of at most 20, 4 at once, 2 may fail'] })
    expect([node('vote')!.notes, node('first')!.notes]).toEqual([['quorum: 2 of 3 agree'], ['race of 2, the first good answer counts']])
    expect(node('pick')).toMatchObject({ kind: 'switch', notes: ['when steps.vote.v > 3: y@1', 'else: a constant'] })
    expect(node('alarm')!.notes).toEqual(["if meta.pick.state == 'failed'", 'else a constant'])
    expect([node('sign')!.does, node('nap')!.does]).toEqual(['the owner decides within 1h', 'wait for signal go'])
    expect(node('first/undo')).toMatchObject({ kind: 'undo', does: 'undo.it@1', cap: '0.02' })
  })

  test('says of each edge why one waits for the other', () => {
    expect([['read', 'many'], ['pick', 'alarm'], ['alarm', 'sign'], ['read', 'pieces'], ['read', 'other'], ['first', 'first/undo']].map(([from, to]) => edge(from!, to!)?.kind)).toEqual(['data', 'meta', 'needs', 'chunks', 'differ', 'undo'])
    expect(edge('after', '/output')!.kind).toBe('data')
    expect(edge('/input', 'read')).toBeDefined()
  })

  test('has a sub-pipeline as a group around its own steps, entered and left', () => {
    expect(drawing.groups).toEqual([{ id: 'below', title: 'below' }])
    expect(['below', 'below/a', 'below/b', 'below/output'].map((id) => node(id)?.group)).toEqual(['below', 'below', 'below', 'below'])
    expect([edge('below', 'below/a'), edge('below/a', 'below/b'), edge('below/b', 'below/output'), edge('below/output', 'after')]).not.toContain(undefined)
  })

  test('marks the critical path from the input to the output', () => {
    const desk = draw(scanDesk as unknown as Pipeline)
    expect(desk.edges.filter(({ critical }) => critical).map(({ from, to }) => [from, to])).toEqual([['/input', 'read'], ['read', 'facts'], ['facts', 'rows'], ['rows', '/output']])
  })

  test('every edge ends at nodes that are there, each node is there once', () => {
    const ids = drawing.nodes.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { from, to } of drawing.edges) expect(ids).toEqual(expect.arrayContaining([from, to]))
  })
})

const HOSTILE = `"]; click s_read href "javascript:alert(1)"\n<script>alert(1)</script>\`--> end %%{init: {}}%% #quot; \u0000\ud800]]>`

/** A document whose every text is hostile. */
const hostile = draw({ ...every, steps: { end: { uses: 'x@1', price, if: `\${'${HOSTILE}' == ''}` }, style: { needs: ['end'], pipeline: 'inner', title: HOSTILE }, [`o_${'x'.repeat(60)}`]: { wait: { until: HOSTILE } } } } as unknown as Pipeline)

describe('Mermaid text', () => {
  // Parsed and drawn by mermaid 12.3.0 in Chromium when this was written: it needs a browser's document.
  test('has a line a node and an edge, groups closed', () => {
    for (const one of [drawing, hostile]) {
      const lines = mermaidOf(one).trimEnd().split('\n').map((line) => line.trim())
      expect(lines[1]).toBe('flowchart TD')
      expect(lines.filter((line) => /^s_\w+(\(\[|\[\[|\{\{|\[|>)"/.test(line))).toHaveLength(one.nodes.length)
      expect(lines.filter((line) => / (-->|-\.->|==>)/.test(line) && !line.includes('"'))).toHaveLength(one.edges.length)
      expect(lines.filter((line) => line === 'end')).toHaveLength(one.groups.length)
    }
  })

  test('takes nothing that a document says for its own', () => {
    const text = mermaidOf(hostile)
    for (const line of text.split('\n')) for (const [, said] of line.matchAll(/"([^"]*)"/g)) expect(said!.replaceAll(/<b>|<\/b>|<br\/>/g, '')).not.toMatch(/["<>`{}[\]|]|%%/)
    expect(text).not.toMatch(/^\s*click/m)
    expect((text.match(/"/g) ?? []).length % 2).toBe(0)
  })
})

describe('an SVG', () => {
  test('is well formed, whatever the document says, and asks for nothing from elsewhere', () => {
    for (const one of [drawing, hostile]) {
      const text = svgOf(one, 'at worst <1>')
      const open: string[] = []
      for (const [, close, name, own] of text.matchAll(/<(\/?)([a-zA-Z]+)(?:\s[^<>]*?)?(\/?)>/g)) {
        if (close) expect(open.pop()).toBe(name)
        else if (!own) open.push(name!)
      }
      expect(open).toEqual([])
      expect(text.replaceAll(/<\/?[a-zA-Z]+(?:\s[^<>]*?)?\/?>/g, '')).not.toContain('<')
      expect(text.isWellFormed() && !text.includes('\u0000')).toBe(true)
      expect(text).not.toMatch(/<script|href=|url\((?!#)|NaN|undefined/)
      expect(text.match(/https?:[^"]*/g)).toEqual(['http://www.w3.org/2000/svg'])
    }
  })

  test('no two boxes lie on each other', () => {
    const boxes = [...svgOf(drawing).matchAll(/<g><rect class="box[^"]*" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)].map((found) => found.slice(1).map(Number) as [number, number, number, number])
    expect(boxes).toHaveLength(drawing.nodes.length)
    for (const [index, [x, y, width, height]] of boxes.entries()) {
      for (const [otherX, otherY, otherWidth, otherHeight] of boxes.slice(index + 1)) expect(x < otherX + otherWidth && otherX < x + width && y < otherY + otherHeight && otherY < y + height).toBe(false)
    }
  })

  test('is refused beyond what anybody could look at', () => {
    const steps = Object.fromEntries(Array.from({ length: SVG_NODES_MAX }, (_, index) => [`s${index}`, { uses: 'x@1', price }]))
    expect(() => svgOf(draw({ ...every, steps } as unknown as Pipeline))).toThrow(/a picture has at most/)
  })
})
