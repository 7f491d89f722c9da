/**
 * Evaluates templates in a thread of its own that can be killed (D8). Started by
 * `evaluate-bounded.ts` only; one task at a time. It runs the same code as the host does inline.
 */
import { parentPort } from 'node:worker_threads'
import type { Context } from './expression.ts'
import { compileTemplate, evaluateTemplate, type Evaluation } from './template.ts'

/** What the host sends. */
export interface Task {
  readonly id: number
  readonly template: unknown
  readonly context: Context
}

/** What it gets back; the first message, `ready`, says that the thread has loaded its code. */
export type Report = { readonly ready: true } | { readonly id: number; readonly evaluation: Evaluation }

if (parentPort) {
  const port = parentPort
  port.on('message', ({ id, template, context }: Task) => {
    const evaluation = evaluateTemplate(compileTemplate(template), context)
    port.postMessage({ id, evaluation } satisfies Report)
  })
  port.postMessage({ ready: true } satisfies Report)
}
