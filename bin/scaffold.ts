/**
 * The files that `aigen init` writes: a pipeline that checks and runs on the devnet, or a service
 * provider with a pipeline that hires it. Used by `commands/init` only.
 */

/** Texts by file name. */
export type Scaffold = Readonly<Record<string, string>>

const $schema = '../node_modules/aigen/schemas/pipeline.editor.json'
const input = { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string', maxLength: 10_000 } } }
const TEXT = 'On 14 March 2001 our flight struck a Canada goose on approach to Chicago. The repair cost $148,250.\n'

export function pipelineScaffold(name: string): Scaffold {
  const document = {
    $schema, name, version: '0.1.0', description: 'Finds the people, places and dates that a text names.', input,
    budget: { max: '0.05' },
    steps: {
      facts: { uses: 'text.entities@1', with: { text: '${input.text}' }, price: { max: '0.01' }, sla: { deadline: '10s' }, retry: { attempts: 2, on: ['timeout', 'failed'] } },
    },
    output: { facts: '${steps.facts}' },
  }
  return {
    'pipeline.json': `${JSON.stringify(document, null, 2)}\n`,
    'text.txt': TEXT,
    'README.md': `# ${name}

\`\`\`sh
npx aigen check pipeline.json                               # every error at once; starts nothing
npx aigen explain pipeline.json                             # the graph
npx aigen quote pipeline.json                               # who would do it, for how much
npx aigen run pipeline.json --input text="$(cat text.txt)"  # on a running network: npx aigen dev
\`\`\`
`,
  }
}

export function providerScaffold(name: string): Scaffold {
  const document = {
    $schema, name, version: '0.1.0', description: `Hires ${name} to count what a text is made of.`, input,
    budget: { max: '0.01' },
    steps: { count: { uses: 'text.count@1', with: { text: '${input.text}' }, price: { max: '0.002' }, sla: { deadline: '5s' }, expect: '${output.words > 0.0}' } },
    output: '${steps.count}',
  }
  return {
    'provider.mjs': `// What ${name} sells: a capability, a price, a promise and a handler. AIGEN quotes, agrees, is paid and claims.
import { defineProvider } from 'aigen'

export default defineProvider({
  name: '${name}',
  capability: {
    id: 'text.count@1', title: 'Count', description: 'Counts the words, lines and characters of a text.', unit: 'call', pure: true,
    input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string', maxLength: 10000 } } },
    output: {
      type: 'object', additionalProperties: false, required: ['words', 'lines', 'characters'],
      properties: { words: { type: 'integer' }, lines: { type: 'integer' }, characters: { type: 'integer' } },
    },
  },
  // Asked for one call, and the least that a counter-offer gets.
  price: { list: '0.002', floor: '0.001' },
  // From the call to the delivery: one that comes later need not be paid.
  latencyMs: 500,
  concurrency: 8,
  handler: async ({ text }) => ({
    output: { words: text.split(/\\s+/).filter(Boolean).length, lines: text.split('\\n').length, characters: [...text].length },
    units: { call: 1 },
  }),
})
`,
    'pipeline.json': `${JSON.stringify(document, null, 2)}\n`,
    'text.txt': TEXT,
    'README.md': `# ${name}

\`\`\`sh
npx aigen dev                                               # a network on this machine, in a terminal of its own
npx aigen provide provider.mjs                              # sells it there until it is stopped
npx aigen run pipeline.json --input text="$(cat text.txt)"  # hires it, and pays
npx aigen providers show ${name}
\`\`\`
`,
  }
}
