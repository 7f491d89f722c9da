/**
 * A script for `chatProvider` that does what a capable model would do in a conversation with tools,
 * for suites that are written for real models: it calls what it is given with arguments that fit
 * their schemas, speaks once it has the answers, and writes JSON where it is asked for.
 */
import type { ChatInput } from './chat.ts'
import type { ScriptedAnswer } from './chat-provider.fixture.ts'

/** @example world.provider(chatProvider('mind', obedientMind)) */
export function obedientMind({ messages, tools = [], toolChoice = 'auto', json, stop = [] }: ChatInput): ScriptedAnswer {
  const last = messages.at(-1)!
  if (json !== undefined && json !== false) return { content: JSON.stringify(json === true ? { answer: 42 } : made(json as Schema)) }
  if (last.role === 'tool') return { content: `I am told: ${last.content}` }
  const called = tools.filter(({ name }) => toolChoice === 'auto' || toolChoice === 'required' || toolChoice === name)
  if (called.length > 0) return { toolCalls: called.map(({ name, parameters }) => ({ name, arguments: made(parameters as Schema) })) }
  const said = `Hello, you said: ${last.content}`
  const cut = Math.min(...stop.map((text) => said.indexOf(text)).filter((place) => place >= 0), said.length)
  return { content: said.slice(0, cut) }
}

type Schema = Readonly<Record<string, any>>

/** The smallest value that fits a schema. */
function made(schema: Schema, count = { next: 1 }): any {
  if (schema['const'] !== undefined) return schema['const']
  if (Array.isArray(schema['enum'])) return schema['enum'][0]
  if (schema['type'] === 'object') return Object.fromEntries(Object.entries((schema['properties'] ?? {}) as Schema).map(([name, one]) => [name, made(one, count)]))
  if (schema['type'] === 'array') return []
  if (schema['type'] === 'number' || schema['type'] === 'integer') return count.next++
  return schema['type'] === 'boolean' ? true : 'San Francisco'
}
