// A client without a node, wallet or vendor key: an API key of the devnet's gateway, and the official
// OpenAI client. Embeds texts, then runs a whole pipeline and follows it. On a running `aigen dev`:
//   node examples/programs/gateway-client.js
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import OpenAI from 'openai'

// The gateway's operator opens an account with one dollar, and makes a key that may spend half of it.
const { key, baseUrl } = JSON.parse(execFileSync('npx', ['aigen', 'gateway', 'key', 'create', '--account', 'newcomer@example.org', '--credit', '1', '--budget', '0.50', '--json'], { encoding: 'utf8' }))
const openai = new OpenAI({ apiKey: key, baseURL: baseUrl })

console.log('models:', (await openai.models.list()).data.map(({ id }) => id).join(', '))
const { data } = await openai.embeddings.create({ model: 'text.embed@1', input: ['a goose struck the engine', 'birds hit the aircraft', 'the price of tea'] })
const near = (one, other) => one.embedding.reduce((sum, value, at) => sum + value * other.embedding[at], 0).toFixed(2)
console.log(`nearness: ${near(data[0], data[1])} to the birds, ${near(data[0], data[2])} to the tea`)

const scan = `data:image/png;base64,${readFileSync(new URL('../devnet/scans/memo.png', import.meta.url)).toString('base64')}`
const response = await fetch(`${baseUrl}/pipelines/scan-desk/runs`, {
  method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'text/event-stream' },
  body: JSON.stringify({ input: { scan } }),
})
if (!response.ok) throw new Error(await response.text())
let text = ''
for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
  const events = (text += chunk).split('\n\n')
  text = events.pop()
  for (const event of events) {
    const said = JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? '{}')
    if (said.type === 'step' && said.state === 'done') console.log(`${said.step}: ${said.provider} for ${said.charged}`)
    if (said.type === 'answer') console.log(`answer: ${said.output.summary.slice(0, 80)}…`)
    if (said.error) console.log(`failed: ${said.error.message}`)
    if (said.type === 'bill') console.log(`bill: network ${said.account.network} + fee ${said.account.fee} = ${said.account.total}`)
  }
}
