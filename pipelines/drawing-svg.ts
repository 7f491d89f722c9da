/**
 * A drawing as one SVG file that needs nothing else: light and dark after the reader's setting, text
 * stays text. Used by `aigen explain --svg`. Places come from dagre's layered layout.
 */
import { Graph, layout } from '@dagrejs/dagre'
import { AigenError } from '../schemas/error.ts'
import type { DrawnEdge, DrawnNode, Drawing } from './drawing.ts'

/** Beyond this a picture says nothing any more, and its layout takes minutes. */
export const SVG_NODES_MAX = 400

const PAD = 14
const LINE = 16
const WIDTH_MIN = 130
const LETTERS_MAX = 52
const MARGIN = 28
const HEAD = 58

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}
type Point = { readonly x: number; readonly y: number }

/** What stands beside the name: the worst case, in words. Error `input.too-large` beyond `SVG_NODES_MAX` nodes. */
export function svgOf(drawing: Drawing, subtitle = ''): string {
  const { nodes, edges, groups, pipeline } = drawing
  if (nodes.length > SVG_NODES_MAX) throw new AigenError('input.too-large', `${nodes.length} nodes, a picture has at most ${SVG_NODES_MAX}; Mermaid text or --json has no such limit.`)
  const graph = new Graph<any, any, any>({ compound: true, multigraph: true })
  graph.setGraph({ rankdir: 'TB', nodesep: 34, ranksep: 46, edgesep: 16, marginx: MARGIN, marginy: MARGIN })
  for (const { id } of groups) graph.setNode(`group:${id}`, {})
  for (const { id, parent } of groups) if (parent !== undefined) graph.setParent(`group:${id}`, `group:${parent}`)
  for (const node of nodes) {
    graph.setNode(node.id, sizeOf(node))
    if (node.group !== undefined) graph.setParent(node.id, `group:${node.group}`)
  }
  for (const [index, { from, to, critical }] of edges.entries()) graph.setEdge(from, to, { weight: critical ? 4 : 1 }, String(index))
  layout(graph)
  const { width: inner = 0, height: innerHeight = 0 } = graph.graph() as { width?: number; height?: number }
  const legend = legendOf(edges)
  const width = Math.ceil(Math.max(inner, textWidth(pipeline, 18) + 2 * MARGIN, textWidth(subtitle, 12) + 2 * MARGIN, legend.width + 2 * MARGIN))
  const height = Math.ceil(innerHeight + HEAD + 40)
  const shift = (width - inner) / 2
  const boxOf = (id: string): Box => {
    const { x, y, width: w, height: h } = graph.node(id) as Box
    return { x: x - w / 2, y: y - h / 2, width: w, height: h }
  }
  const drawn = [
    ...groups.map(({ id, title }) => groupText(boxOf(`group:${id}`), title)),
    // Those that matter most lie on top.
    ...edges.map((edge, index) => ({ edge, index })).toSorted((one, other) => Number(one.edge.critical) - Number(other.edge.critical))
      .map(({ edge, index }) => edgeText((graph.edge(edge.from, edge.to, String(index)) as { points: Point[] }).points, edge)),
    ...nodes.map((node) => nodeText(node, boxOf(node.id))),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(pipeline)}">
<style>${STYLE}</style>
<defs>${['line', 'way'].map((name) => `<marker id="${name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .5 8 4 0 7.5z" class="${name}-head"/></marker>`).join('')}</defs>
<rect class="page" width="100%" height="100%"/>
<text class="name" x="${MARGIN}" y="34">${escaped(pipeline)}</text><text class="sub" x="${MARGIN}" y="53">${escaped(subtitle)}</text>
<g transform="translate(${round(shift)} ${HEAD})">
${drawn.join('\n')}
</g>
<g transform="translate(${MARGIN} ${height - 24})">${legend.text}</g>
</svg>
`
}

const STYLE = `
svg{--page:#fbfbfa;--box:#fff;--edge:#d5d3cd;--ink:#1f2328;--soft:#667079;--line:#9aa3ab;--way:#d97706;--group:#f1f0ec;--hire:#2f6fde;--choice:#8250df;--gate:#1a7f4b;--undo:#c2410c}
@media (prefers-color-scheme:dark){svg{--page:#14171b;--box:#1d2228;--edge:#363d46;--ink:#e6e9ec;--soft:#98a2ac;--line:#5f6a75;--way:#f0a840;--group:#191d22;--hire:#6ea0ff;--choice:#b48cff;--gate:#4cc38a;--undo:#f0875a}}
.page{fill:var(--page)}text{font:12px ui-sans-serif,system-ui,"Segoe UI","Helvetica Neue",Arial,sans-serif;fill:var(--ink)}
.name{font-size:18px;font-weight:650}.sub,.note,.does{fill:var(--soft)}.title{font-size:13px;font-weight:650}.does{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:11px}.note{font-size:11px}.cap{font-size:11px;font-weight:600;text-anchor:end;fill:var(--soft)}
.box{fill:var(--box);stroke:var(--edge)}.on{stroke:var(--way);stroke-width:2}.end{fill:var(--group)}.bar-hire,.bar-pipeline{fill:var(--hire)}.bar-switch{fill:var(--choice)}.bar-wait,.bar-approve{fill:var(--gate)}.bar-undo{fill:var(--undo)}
.group{fill:var(--group);stroke:var(--edge);stroke-dasharray:2 3}.edge{fill:none;stroke:var(--line);stroke-width:1.4}.way{stroke:var(--way);stroke-width:2.4}.meta,.differ{stroke-dasharray:6 4}.undo{stroke:var(--undo);stroke-dasharray:1.5 4;stroke-linecap:round}.chunks{stroke-width:3.5;stroke-opacity:.75}
.line-head{fill:var(--line)}.way-head{fill:var(--way)}
`.replaceAll('\n', '')

/** Width of a text in px, as common sans-serif faces have it, a little generous. */
function textWidth(text: string, size: number, monospace = false): number {
  let units = 0
  for (const letter of text) units += monospace ? 0.61 : /[ijl.,:;'|!()[\] ]/.test(letter) ? 0.32 : /[mwMW@%—…]/.test(letter) ? 0.92 : /[A-Z0-9≤]/.test(letter) ? 0.66 : letter.codePointAt(0)! > 0x2e7f ? 1.05 : 0.56
  return units * size
}

const clipped = (text: string): string => ([...text].length > LETTERS_MAX ? `${[...text].slice(0, LETTERS_MAX - 1).join('')}…` : text)
const capText = ({ cap }: DrawnNode): string => (cap === undefined ? '' : `≤ ${cap}`)
const isEnd = ({ kind }: DrawnNode): boolean => kind === 'input' || kind === 'output'

function sizeOf(node: DrawnNode): { width: number; height: number } {
  const head = textWidth(clipped(node.title), 14) + (node.cap === undefined ? 0 : 20 + textWidth(capText(node), 11))
  const lines = [head, textWidth(clipped(node.does), 11, true), ...node.notes.map((note) => textWidth(clipped(note), 11))]
  const rows = (node.does === '' ? 0 : 1) + node.notes.length
  return { width: Math.max(isEnd(node) ? 80 : WIDTH_MIN, Math.max(...lines) + 2 * PAD), height: 2 * 10 + LINE + rows * LINE - 2 }
}

function nodeText(node: DrawnNode, { x, y, width, height }: Box): string {
  const { kind, title, does, notes, many, critical } = node
  const box = (dx: number): string => `<rect class="box${isEnd(node) ? ' end' : ''}${critical ? ' on' : ''}" x="${round(x + dx)}" y="${round(y - dx)}" width="${round(width)}" height="${round(height)}" rx="${isEnd(node) ? round(height / 2) : 8}"/>`
  let row = y + 10 + 12
  const text = (style: string, said: string): string => {
    const line = `<text class="${style}" x="${round(isEnd(node) ? x + width / 2 : x + PAD)}" y="${round(row)}"${isEnd(node) ? ' text-anchor="middle"' : ''}>${escaped(clipped(said))}</text>`
    row += LINE
    return line
  }
  const cap = node.cap === undefined ? '' : `<text class="cap" x="${round(x + width - PAD)}" y="${round(row)}">${escaped(capText(node))}</text>`
  const bar = isEnd(node) ? '' : `<rect class="bar-${kind}" x="${round(x)}" y="${round(y + 10)}" width="3" height="${round(height - 20)}" rx="1.5"/>`
  const parts = [text('title', title), ...(does === '' ? [] : [text('does', does)]), ...notes.map((note) => text('note', note))]
  return `<g>${many ? box(8) + box(4) : ''}${box(0)}${bar}${cap}${parts.join('')}</g>`
}

function groupText({ x, y, width, height }: Box, title: string): string {
  return `<g><rect class="group" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="12"/><text class="sub" x="${round(x + 12)}" y="${round(y + 18)}">${escaped(clipped(title))}</text></g>`
}

function edgeText(points: readonly Point[], { kind, critical }: DrawnEdge): string {
  return `<path class="edge ${kind}${critical ? ' way' : ''}" d="${smooth(points)}" marker-end="url(#${critical ? 'way' : 'line'})"/>`
}

/** Through the middles between the points, bent at them. */
function smooth([first, ...rest]: readonly Point[]): string {
  const at = ({ x, y }: Point): string => `${round(x)} ${round(y)}`
  let path = `M${at(first!)}`
  for (const [index, point] of rest.entries()) {
    const next = rest[index + 1]
    if (!next) path += `L${at(point)}`
    else path += `Q${at(point)} ${at(index + 2 === rest.length ? { x: (point.x + 3 * next.x) / 4, y: (point.y + 3 * next.y) / 4 } : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 })}`
  }
  return path
}

const MEANINGS: readonly (readonly [DrawnEdge['kind'] | 'way', string])[] = [
  ['way', 'critical path'], ['data', 'data'], ['chunks', 'pieces as they come'], ['meta', 'tests how it ended'], ['differ', 'another provider than'], ['undo', 'undone by'],
]

/** Only what occurs. */
function legendOf(edges: readonly DrawnEdge[]): { readonly text: string; readonly width: number } {
  let x = 0
  const parts: string[] = []
  for (const [kind, meaning] of MEANINGS) {
    if (!edges.some((edge) => (kind === 'way' ? edge.critical : edge.kind === kind))) continue
    parts.push(`<path class="edge ${kind}" d="M${round(x)} -4h26"/><text class="note" x="${round(x + 34)}" y="0">${meaning}</text>`)
    x += 34 + textWidth(meaning, 11) + 22
  }
  return { text: parts.join(''), width: x }
}

const round = (value: number): string => String(Math.round(value * 10) / 10)

/** Text that no reader of XML takes for anything else, without what XML has no place for. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\u{fffd}')
    .replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
