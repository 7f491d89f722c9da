/**
 * `aigen init [NAME]`: a folder with a pipeline that checks and runs on the devnet, an input for it, and
 * how to go on. Never overwrites: a folder that has something in it is refused.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
import type { Output } from '../output.ts'

const NAME = /^[a-z][a-z0-9-]{0,62}$/

/** Errors: `usage.invalid` for a name that no pipeline can have, or a folder that is not empty. */
export async function init(name: string, output: Output): Promise<boolean> {
  if (!NAME.test(name)) throw new AigenError('usage.invalid', `${name} is no name of a pipeline: lower-case letters, digits and dashes, like my-pipeline.`)
  const folder = resolve(process.cwd(), name)
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new AigenError('usage.invalid', `${name} is there already, and not empty.`)
  mkdirSync(folder, { recursive: true })
  for (const [file, text] of Object.entries(filesOf(name))) writeFileSync(join(folder, file), text, { flag: 'wx' })
  const path = relative(process.cwd(), folder)
  output.emit({ type: 'init', folder, files: Object.keys(filesOf(name)) })
  output.print(`wrote ${Object.keys(filesOf(name)).map((file) => join(path, file)).join(', ')}`)
  output.print(`next: npx aigen check ${join(path, 'pipeline.json')}`)
  return true
}

function filesOf(name: string): Record<string, string> {
  const document = {
    $schema: '../node_modules/aigen/schemas/pipeline.editor.json',
    name, version: '0.1.0', description: 'Finds the people, places and dates that a text names.',
    input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string', maxLength: 10_000 } } },
    budget: { max: '0.05' },
    steps: {
      facts: { uses: 'text.entities@1', with: { text: '${input.text}' }, price: { max: '0.01' }, sla: { deadline: '10s' }, retry: { attempts: 2, on: ['timeout', 'failed'] } },
    },
    output: { facts: '${steps.facts}' },
  }
  return {
    'pipeline.json': `${JSON.stringify(document, null, 2)}\n`,
    'text.txt': 'On 14 March 2001 our flight struck a Canada goose on approach to Chicago. The repair cost $148,250.\n',
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
