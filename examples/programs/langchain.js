// A LangChain program that spends on the network: a hired model, hired tools, one budget for both.
// On a running `aigen dev` (with OPENAI_API_KEY, ANTHROPIC_API_KEY or OLLAMA_HOST set for it, there is a model):
//   node examples/programs/langchain.js "Which airport has the most bird strikes?"
import { homedir } from 'node:os'
import { join } from 'node:path'
import { connectPorts, evaluateWith, makeBoundedEvaluator, openAllowance, openKeys, openUser, readNetworkFile, requestAdmission, systemRandom } from 'aigen'
import { NetworkChatModel, networkTools } from 'aigen/llm'

const question = process.argv[2] ?? 'Which airport has the most bird strikes?'
const data = process.env.AIGEN_DATA ?? join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'aigen', 'dev')
const keys = await openKeys({ home: join(data, 'participants', 'langchain'), random: systemRandom })
const ports = await connectPorts(await requestAdmission(await readNetworkFile(data), keys.participant), keys.participant)
const evaluator = makeBoundedEvaluator()
const user = await openUser({ ports, keys, evaluate: evaluateWith(evaluator), deposit: 1_000_000n, faucet: true })

const allowance = await openAllowance(user, { limit: '0.25' })
const tools = networkTools({ user, allowance, capabilities: ['data.query@1', 'compute.run@1', 'text.entities@1'], maxPrice: '0.02' })
console.log(`tools: ${tools.map((tool) => tool.name).join(', ')}`)

try {
  const model = new NetworkChatModel({ user, allowance, maxPrice: '0.05', attempts: 1 }).bindTools(tools)
  const messages = [{ role: 'user', content: question }]
  for (let round = 0; round < 6; round++) {
    const answer = await model.invoke(messages)
    messages.push(answer)
    for (const call of answer.tool_calls) messages.push(await tools.find((tool) => tool.name === call.name).invoke(call))
    if (answer.tool_calls.length === 0) { console.log(answer.text); break }
  }
} catch (error) {
  if (error.code !== 'market.no-provider' && error.code !== 'pipeline.invalid') throw error
  console.log('no language model is on the network, so here is what a model would ask a tool:')
  const query = tools.find((tool) => tool.name === 'data_query_1')
  console.log(await query.invoke({ sql: 'SELECT airport, count(*) AS strikes FROM birdstrikes GROUP BY airport ORDER BY strikes DESC LIMIT 1' }))
}
const { spent, limit } = allowance.state()
console.log(`spent ${spent} of ${limit}`)
await user.close()
await Promise.all([ports.close(), evaluator.close()])
