import { expect, it } from 'vitest'
import { PARTICIPANTS, participantsIn } from './participants.ts'

it('sells the models of vendors that the environment names, and waits for none of them', () => {
  expect(participantsIn({})).toEqual(PARTICIPANTS)
  const added = participantsIn({ OPENAI_API_KEY: 'k', OLLAMA_HOST: 'http://127.0.0.1:11434' }).slice(PARTICIPANTS.length)
  expect(added.map(({ name }) => name)).toEqual(['openai-models', 'ollama-models'])
  expect(added).toEqual(added.map(({ name }) => ({ name, role: 'provider', arguments: ['provide', './services/language-models'], optional: true })))
  // Keys are not among what a process is started with.
  expect(JSON.stringify(added)).not.toContain('"k"')
})
