/**
 * A drawing as Mermaid text, which GitHub, VS Code and most wikis draw. Used by `aigen explain`. Whatever
 * a stranger wrote stands in quotes with every character escaped that Mermaid would read as its own.
 */
import type { DrawnEdge, DrawnNode, Drawing } from './drawing.ts'

const LINE_MAX = 60
const ARROWS: Record<DrawnEdge['kind'], string> = { data: '-->', needs: '-->', chunks: '==>|pieces|', meta: '-.->|how it ended|', differ: '-.->|not the same provider|', undo: '-.->|undone by|' }

/** A flowchart, top down. @example mermaidOf(drawing) // 'flowchart TD\n  input(["input"])…' */
export function mermaidOf({ pipeline, nodes, edges, groups }: Drawing): string {
  const names = idsOf(nodes)
  const inside = (group: string | undefined, depth: number): string[] => {
    const pad = '  '.repeat(depth)
    return [
      ...nodes.filter((node) => node.group === group).map((node) => `${pad}${names.get(node.id)}${shaped(node)}`),
      ...groups.filter(({ parent }) => parent === group).flatMap(({ id, title }) => [`${pad}subgraph ${names.get(id)}_group["${escaped(title)}"]`, ...inside(id, depth + 1), `${pad}end`]),
    ]
  }
  const critical = edges.flatMap((edge, index) => (edge.critical ? [index] : []))
  const marked = nodes.filter((node) => node.critical).map(({ id }) => names.get(id))
  return [
    `%% ${pipeline}`, 'flowchart TD', ...inside(undefined, 1),
    ...edges.map(({ from, to, kind }) => `  ${names.get(from)} ${ARROWS[kind]} ${names.get(to)}`),
    '  classDef critical stroke:#d97706,stroke-width:3px',
    ...(marked.length > 0 ? [`  class ${marked.join(',')} critical`] : []),
    ...(critical.length > 0 ? [`  linkStyle ${critical.join(',')} stroke:#d97706,stroke-width:3px`] : []), '',
  ].join('\n')
}

/** An id of letters, digits and _ each, which is no word of Mermaid's. */
function idsOf(nodes: readonly DrawnNode[]): Map<string, string> {
  const taken = new Set<string>()
  return new Map(nodes.map(({ id }) => {
    let name = `s_${id.replaceAll('/', '__')}`
    while (taken.has(name)) name += '_'
    taken.add(name)
    return [id, name]
  }))
}

function shaped({ kind, title, does, cap, notes, many }: DrawnNode): string {
  const [open, close] = kind === 'input' || kind === 'output' || kind === 'wait' ? ['([', '])'] : kind === 'approve' || kind === 'switch' ? ['{{', '}}'] : kind === 'undo' ? ['>', ']'] : many ? ['[[', ']]'] : ['[', ']']
  const lines = [`<b>${escaped(title)}</b>`, escaped(does), ...(cap === undefined ? [] : [`≤ ${cap}`]), ...notes.map(escaped)]
  return `${open}"${lines.filter((line) => line !== '').join('<br/>')}"${close}`
}

function escaped(text: string): string {
  const line = text.length > LINE_MAX ? `${text.slice(0, LINE_MAX - 1)}…` : text
  return line.replaceAll(/[^\p{L}\p{N} .,:=@/+*()≤…'!?_-]/gu, (letter) => `#${letter.codePointAt(0)};`)
}
