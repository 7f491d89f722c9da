/** The trivial service that the paid step hires, and the pipeline of such steps one after another. */
import type { ProviderDefinition } from '../agents/provider/define.ts'
import { formatMoney } from '../schemas/money.ts'

/** Atomic units of one step, and the same as a decimal of the dollar. */
const PRICE = '0.0001'
const PRICE_ATOMIC = 100n

export const echo: ProviderDefinition = {
  name: 'echo',
  capability: {
    id: 'bench.echo@1', title: 'Echo', description: 'Gives its input back.', unit: 'call',
    input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
    output: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
  },
  price: { list: PRICE },
  latencyMs: 10,
  standing: { calls: 100_000, first: 64 },
  concurrency: 64,
  queue: 256,
  handler: async ({ text }: { text: string }) => ({ output: { text }, units: { call: 1 } }),
}

/** The same for nothing: what a step costs that is not paid. */
export const freeEcho: ProviderDefinition = { ...echo, capability: { ...echo.capability, id: 'bench.free-echo@1' }, price: { list: '0' } }

/** `steps` echoes, each of the one before. */
export function chainOf(steps: number, uses: string = echo.capability.id): object {
  const names = Array.from({ length: steps }, (_, at) => `s${at}`)
  return {
    name: 'bench-chain',
    version: '1.0.0',
    input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
    budget: { max: formatMoney(BigInt(steps) * PRICE_ATOMIC * 2n) },
    steps: Object.fromEntries(names.map((name, at) => [name, {
      uses, with: { text: at === 0 ? '${input.text}' : `\${steps.${names[at - 1]}.text}` },
      price: { max: PRICE }, sla: { deadline: '10s', grace: '1s' },
    }])),
    output: { text: `\${steps.${names.at(-1)}.text}` },
  }
}
