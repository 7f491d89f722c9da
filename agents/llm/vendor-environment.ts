/**
 * Which vendors' models a process can sell, as its environment says. Apart from vendor-models.ts,
 * since the devnet asks it without loading LangChain.
 */
import type { VendorModelsOptions } from './vendor-models.ts'
import type { VendorId } from './vendors.ts'

const VENDOR_IDS: readonly VendorId[] = ['openai', 'anthropic', 'ollama']

/**
 * The vendors whose key or address is in the environment: OPENAI_API_KEY, OPENAI_BASE_URL;
 * ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL; OLLAMA_HOST. For each, AIGEN_<VENDOR>_MODELS (names with
 * commas between) and AIGEN_<VENDOR>_PRICE change what is sold and for how much.
 */
export function vendorsIn(environment: Readonly<Record<string, string | undefined>>): VendorModelsOptions[] {
  const read = (name: string): string | undefined => environment[name]?.trim() || undefined
  const found: VendorModelsOptions[] = []
  for (const vendor of VENDOR_IDS) {
    const word = vendor.toUpperCase()
    const key = read(`${word}_API_KEY`)
    const host = vendor === 'ollama' ? read('OLLAMA_HOST') : read(`${word}_BASE_URL`)
    if (vendor === 'ollama' ? host === undefined : key === undefined) continue
    const models = read(`AIGEN_${word}_MODELS`)?.split(',').map((name) => name.trim()).filter(Boolean)
    const price = read(`AIGEN_${word}_PRICE`)
    found.push({
      vendor, ...(key === undefined ? {} : { key }), ...(host === undefined ? {} : { url: vendor === 'ollama' ? ollamaUrl(host) : host }),
      ...(models?.length ? { models } : {}), ...(price === undefined ? {} : { price }),
    })
  }
  return found
}

/** OLLAMA_HOST is an address to listen on: it may lack scheme and port, and 0.0.0.0 is this machine. */
function ollamaUrl(host: string): string {
  const url = new URL(/^https?:\/\//.test(host) ? host : `http://${host}`)
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1'
  if (url.port === '' && url.protocol === 'http:' && !host.endsWith(':80')) url.port = '11434'
  return url.toString().replace(/\/+$/, '')
}
