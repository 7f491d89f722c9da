/**
 * `aigen explain PIPELINE`: the graph of a document as Mermaid text, as an SVG file, or as nodes and
 * edges. Asks nobody, needs no network, and draws what the checker would refuse too, as long as its
 * shape can be read and no step waits for itself.
 */
import { writeFileSync } from 'node:fs'
import { check } from '../../pipelines/check.ts'
import { drawingOf } from '../../pipelines/drawing.ts'
import { svgOf } from '../../pipelines/drawing-svg.ts'
import { mermaidOf } from '../../pipelines/mermaid.ts'
import { nestingFault } from '../../pipelines/nested.ts'
import { worstCaseOf } from '../../pipelines/price.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { seconds } from '../bare-table.ts'
import { issueText, type Output } from '../output.ts'
import { readPipelineFile, standardCapabilities } from '../pipeline-file.ts'

export interface ExplainOptions {
  readonly svg?: string
}

export async function explain(given: string, options: ExplainOptions, output: Output): Promise<boolean> {
  const { path, text } = readPipelineFile(given, process.cwd())
  const { pipeline, graph, errors, worstCase, budget } = check(text, { capabilities: standardCapabilities() })
  if (!pipeline || !graph || graph.cycles.length > 0 || nestingFault(pipeline) !== undefined) throw new AigenError('pipeline.invalid', undefined, { issues: errors })
  const worst = worstCase === undefined ? undefined : worstCaseOf(pipeline, graph, budget)
  const drawing = drawingOf(pipeline, worst)
  if (options.svg === undefined) {
    output.emit({ type: 'explain', ...drawing })
    output.print(mermaidOf(drawing).trimEnd())
  } else {
    const { length: steps } = graph.order
    const costs = worst === undefined ? '' : ` · at worst ${formatMoney(worst.price)} and ${seconds(worst.timeMs)} without hiring`
    writeFileSync(options.svg, svgOf(drawing, `${steps} step${steps === 1 ? '' : 's'}${costs}`))
    output.emit({ type: 'explain', svg: options.svg, nodes: drawing.nodes.length, edges: drawing.edges.length })
    output.print(`wrote ${options.svg}`)
  }
  for (const error of errors.slice(0, 5)) output.say(`${output.inkErr.yellow('drawn, but it does not check:')} ${path} ${issueText(error)}`)
  return true
}
