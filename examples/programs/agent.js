// An agent: it looks for what is sold, has a hired model write a pipeline, runs it and has the result
// judged, all on one budget. On a running `aigen dev` with a model (see below):
//   node examples/programs/agent.js "How many bird strikes did Denver have?"
import { homedir } from 'node:os'
import { join } from 'node:path'
import { agentRooms, connectPorts, evaluateWith, finishAgent, makeBoundedEvaluator, openKeys, openUser, readNetworkFile, requestAdmission, startAgent, systemRandom } from 'aigen'

const goal = process.argv[2] ?? 'Tell how many bird strikes the data has, as {"strikes": number}'
const data = process.env.AIGEN_DATA ?? join(homedir(), '.local/state/aigen/dev')
const network = await readNetworkFile(data)
const keys = await openKeys({ home: join(data, 'participants', 'agent-owner'), random: systemRandom })
const ports = await connectPorts(await requestAdmission(network, keys.participant), keys.participant)
const evaluator = makeBoundedEvaluator()
const evaluate = evaluateWith(evaluator)
const user = await openUser({ ports, keys, evaluate, deposit: 1_000_000n, faucet: true, rooms: agentRooms({ evaluate }) })

if (user.node.directory.offers('text.chat@1').length === 0) {
  console.log('No model is on the network: start aigen dev with OPENAI_API_KEY, ANTHROPIC_API_KEY or OLLAMA_HOST set, or sell text.chat@1 yourself.')
} else {
  const id = await startAgent(user, { goal, budget: '0.50', policy: { approval: { above: '0.10' }, approvalTimeout: '1m', attempts: 2 } })
  const report = await finishAgent(user, id, 600_000)
  for (const { purpose, providers, charged, state } of report.calls) console.log(`${purpose} by ${providers.join(', ')}: ${state}, paid ${charged}`)
  console.log(`${report.state}: ${JSON.stringify(report.error?.message ?? report.output)}; spent ${report.spent} of ${report.budget}`)
}
await user.close()
await Promise.all([ports.close(), evaluator.close()])
