// Hires one call through escrow: the provider is secured before it works, and an agent that holds no
// money decides if the result is not what was agreed. On a running `aigen dev`:
//   node examples/programs/escrow.js
import { homedir } from 'node:os'
import { join } from 'node:path'
import { connectPorts, evaluateWith, hire, makeBoundedEvaluator, openKeys, openUser, readNetworkFile, requestAdmission, systemRandom } from 'aigen'

const data = process.env.AIGEN_DATA ?? join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'aigen', 'dev')
const network = await readNetworkFile(data)
if (!network) throw new Error(`No network runs on ${data}: start one with "aigen dev".`)
const keys = await openKeys({ home: join(data, 'participants', 'careful-buyer'), random: systemRandom })
const ports = await connectPorts(await requestAdmission(network, keys.participant), keys.participant)
const evaluator = makeBoundedEvaluator()
const user = await openUser({ ports, keys, evaluate: evaluateWith(evaluator), deposit: 1_000_000n, faucet: true })

const { output, provider, bill } = await hire(user, {
  capability: 'compute.run@1',
  input: { source: 'return input.list.reduce((sum, n) => sum + n, 0)', input: { list: [1, 2, 3] } },
  expect: 'output.result == 6', // what the agent would judge by
  maxPrice: '0.02',
  settle: 'escrow',
})
const [{ escrow }] = bill.steps
console.log(`${provider} found ${output.result}`)
console.log(`${escrow.agentName} (${escrow.agent}) was the arbiter, for ${escrow.fee}`)
console.log(`the work was ${escrow.state} and paid ${escrow.paid}; spent ${bill.spent}, settled ${bill.settled}`)

await user.close()
await ports.close()
await evaluator.close()
