/**
 * The work that `durable` asks of each system: workflows of remote steps one after another, each
 * step a request to the responder with the answer of the one before. Used by the `*-worker`s, so
 * that all are driven and timed alike.
 */
import type { Credentials } from '../runtime/nats/credentials.ts'

/** What a worker is started with. */
export interface WorkerTold {
  readonly credentials: Credentials
  /** Where the responder answers. */
  readonly subject: string
  /** Of our host. */
  readonly partitions?: number
  /** The system's own server, where it has one. */
  readonly server?: { readonly url: string; readonly admin?: string; readonly port?: number }
}

export interface Work {
  readonly workflows: number
  readonly steps: number
  readonly concurrency: number
}

export interface Worked {
  readonly wallMs: number
  /** Milliseconds of each workflow, from its request to its result. */
  readonly latencies: readonly number[]
}

/** What the first step sends: 256 characters, about a small call. */
export const TEXT = 'x'.repeat(256)
/** How long a step waits for the responder before it fails. */
export const STEP_MS = 10_000

/** Runs `workflows`, at most `concurrency` at once; `run` resolves with the last step's text. Throws when one gives another. */
export async function runWorkflows({ workflows, steps, concurrency }: Work, run: (steps: number, text: string) => Promise<string>): Promise<Worked> {
  const latencies: number[] = []
  let left = workflows
  const from = performance.now()
  await Promise.all(Array.from({ length: Math.min(concurrency, workflows) }, async () => {
    while (left-- > 0) {
      const begun = performance.now()
      if (await run(steps, TEXT) !== TEXT) throw new Error('a workflow ended with another text than its steps gave')
      latencies.push(performance.now() - begun)
    }
  }))
  return { wallMs: performance.now() - from, latencies }
}
