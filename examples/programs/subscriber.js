// Subscribes to a provider: buys its pass on the chain, and is served for nothing while it lasts.
// On a running `aigen dev`:
//   node examples/programs/subscriber.js
import { homedir } from 'node:os'
import { join } from 'node:path'
import { buyPass, connectPorts, evaluateWith, hire, makeBoundedEvaluator, openKeys, openUser, readNetworkFile, requestAdmission, systemRandom } from 'aigen'

const data = process.env.AIGEN_DATA ?? join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'aigen', 'dev')
const network = await readNetworkFile(data)
if (!network) throw new Error(`No network runs on ${data}: start one with "aigen dev".`)
const keys = await openKeys({ home: join(data, 'participants', 'subscriber'), random: systemRandom })
const ports = await connectPorts(await requestAdmission(network, keys.participant), keys.participant)
const evaluator = makeBoundedEvaluator()
const user = await openUser({ ports, keys, evaluate: evaluateWith(evaluator), deposit: 1_000_000n, faucet: true })

const pass = await buyPass(user, { provider: 'near-and-far', faucet: true })
const days = Math.round((pass.expiresAt - Date.now()) / 86_400_000)
console.log(`a pass of ${pass.name} for ${pass.paid}: ${days} days of ${pass.capability}, ${pass.quotaPerDay} calls a day`)

const { output, charged, bill } = await hire(user, {
  capability: pass.capability, input: { texts: ['a robin', 'a blackbird', 'a tax return'] }, maxPrice: '0.01', only: [pass.provider],
})
const [robin, blackbird, tax] = output.vectors
const like = (one, other) => one.reduce((sum, value, at) => sum + value * other[at], 0)
console.log(`${output.vectors.length} texts for ${charged}, receipt ${bill.steps[0].receipt}`)
console.log(`a robin is ${like(robin, blackbird) > like(robin, tax) ? 'more' : 'less'} like a blackbird than like a tax return`)

await user.close()
await ports.close()
await evaluator.close()
