/**
 * Providers of language models (`text.chat@1` and `text.generate@1`): those of a vendor whose key or
 * address the environment names. A participant's name says which: `openai-models`. On the devnet
 * when the environment has it (participants.ts); vendor-environment.ts says what it reads.
 */
import { vendorsIn } from '../../../agents/llm/vendor-environment.ts'
import { vendorModels } from '../../../agents/llm/vendor-models.ts'
import type { ProviderDefinition } from '../../../agents/provider/define.ts'
import { AigenError } from '../../../schemas/error.ts'

/** Asks the vendor what it has before it is sold. Errors `vendor.*`; `usage.invalid` for another name. */
export default async function languageModels({ name }: { name: string | undefined }): Promise<ProviderDefinition[]> {
  const found = vendorsIn(process.env).find(({ vendor }) => name === `${vendor}-models`)
  if (!found) throw new AigenError('usage.invalid', `${name ?? 'No name'}: name it after a vendor that the environment has the key or address of, like openai-models or ollama-models (--as).`)
  return vendorModels({ ...found, name: name! })
}
