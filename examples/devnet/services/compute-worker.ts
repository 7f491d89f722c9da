/**
 * The thread in which strangers' JavaScript runs: QuickJS in WebAssembly, a fresh module for each
 * job. Started by compute.ts only.
 *
 * What holds a hostile program (measured: `setMemoryLimit` does not): the WebAssembly memory itself
 * cannot grow beyond 32 MB, the stack has 128 KB, an interrupt counter is the fuel, and the
 * workshop kills the thread at the deadline. Same program and input burn the same fuel, because
 * clock and chance are taken away before the program starts.
 */
import { parentPort } from 'node:worker_threads'
import variant from '@jitl/quickjs-wasmfile-release-sync'
import { newQuickJSWASMModuleFromVariant, newVariant } from 'quickjs-emscripten-core'
import type { QuickJSContext, QuickJSHandle, QuickJSSyncVariant } from 'quickjs-emscripten-core'

// es2023 has no type of it, and the DOM library would bring the browser's names with it
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number }) => unknown
  RuntimeError: new () => Error
}

/** WebAssembly pages of 64 KB: 16 MB at the start, 32 MB at most. */
const MEMORY = { initial: 256, maximum: 512 }
const STACK_BYTES = 128 * 1024
/** The engine asks about every 5,000 turns of a loop (measured) whether to go on: 5 million in all, 0.8 s. */
const FUEL_MAX = 1_000
const OUTPUT_CHARS_MAX = 1_000_000

/** Takes away what would make two runs differ. `Date` stays for parsing and arithmetic. */
const PRELUDE = `(() => {
  const RealDate = Date
  const refuse = () => { throw new Error('there is no clock here: pass the time in the input') }
  function FixedDate(...parts) {
    if (!new.target || parts.length === 0) refuse()
    return new RealDate(...parts)
  }
  FixedDate.prototype = RealDate.prototype
  Object.defineProperty(RealDate.prototype, 'constructor', { value: FixedDate })
  FixedDate.parse = RealDate.parse
  FixedDate.UTC = RealDate.UTC
  FixedDate.now = refuse
  globalThis.Date = FixedDate
  Math.random = () => { throw new Error('there is no chance here: pass numbers in the input') }
})()`

// its types describe the CommonJS build, Node loads the ES one
const engine = variant as unknown as QuickJSSyncVariant

interface Job { job: number; input: { source: string; input?: unknown } }

class ProgramError extends Error {}

async function run({ source, input }: Job['input']): Promise<{ result: unknown; fuel: number }> {
  const module = await newQuickJSWASMModuleFromVariant(newVariant(engine, { wasmMemory: new WebAssembly.Memory(MEMORY) as never }))
  const runtime = module.newRuntime()
  runtime.setMaxStackSize(STACK_BYTES)
  const context = runtime.newContext()
  let fuel = 0
  valueOf(context, context.evalCode(PRELUDE, 'prelude.js'), () => fuel)
  runtime.setInterruptHandler(() => {
    fuel += 1
    return fuel >= FUEL_MAX
  })
  const text = context.newString(JSON.stringify(input ?? null))
  context.setProp(context.global, '__input', text)
  // the source is wrapped as a function, so `return` gives its value; `use strict` spares the fuel of surprises
  const code = `JSON.stringify((function (input) { 'use strict';\n${source}\n})(JSON.parse(__input)))`
  const result = valueOf(context, context.evalCode(code, 'program.js'), () => fuel)
  const type = context.typeof(result)
  if (type !== 'string') throw new ProgramError('The program returned nothing that is JSON.')
  const length = context.getNumber(context.getProp(result, 'length'))
  if (length > OUTPUT_CHARS_MAX) throw new ProgramError(`The result has ${length} characters, ${OUTPUT_CHARS_MAX} are allowed.`)
  // nothing is disposed: the whole module and its memory go with the job
  return { result: JSON.parse(context.getString(result)) as unknown, fuel }
}

function valueOf(context: QuickJSContext, outcome: ReturnType<QuickJSContext['evalCode']>, fuel: () => number): QuickJSHandle {
  if (!outcome.error) return outcome.value
  if (fuel() >= FUEL_MAX) throw new ProgramError(`The program burnt its ${FUEL_MAX} units of fuel.`)
  const dumped = context.dump(outcome.error) as unknown
  const detail = typeof dumped === 'object' && dumped !== null && 'message' in dumped ? String(dumped.message) : String(dumped)
  throw new ProgramError(`The program failed: ${detail.slice(0, 300)}`)
}

/** Whether the failure is the program's: its own error, or the walls of memory and stack that it ran into. */
function isProgramFault(thrown: unknown): boolean {
  return thrown instanceof ProgramError || thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError
}

parentPort?.on('message', (message: Job) => {
  run(message.input).then(
    (output) => parentPort?.postMessage({ job: message.job, output }),
    (thrown: unknown) => {
      const detail = thrown instanceof Error ? thrown.message : String(thrown)
      parentPort?.postMessage({ job: message.job, error: { message: detail.slice(0, 500), fault: isProgramFault(thrown) ? 'caller' : 'provider' } })
    },
  )
})
parentPort?.postMessage({ ready: true })
