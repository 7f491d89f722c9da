// A user on a light node: no JetStream, no chain. Its journal is a local file, its deposit a signed
// permit that a relay carries, and everything it reads of the chain is proven. On a running `aigen dev`:
//   node examples/programs/light-user.js
import { homedir } from 'node:os'
import { join } from 'node:path'
import { connectLightPorts, evaluateWith, hire, makeBoundedEvaluator, openKeys, openLightUser, readNetworkFile, requestLightAdmission, systemRandom } from 'aigen'

const data = process.env.AIGEN_DATA ?? join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'aigen', 'dev')
const home = join(data, 'participants', 'light-user')
const keys = await openKeys({ home, random: systemRandom })
const connections = await requestLightAdmission(await readNetworkFile(data), keys.participant)
console.log(`told of the network and its terms only: ${Object.keys(connections).sort().join(', ')}`)

const ports = await connectLightPorts(connections, keys.participant, home)
const evaluator = makeBoundedEvaluator()
const user = await openLightUser({ ports, keys, evaluate: evaluateWith(evaluator), deposit: 1_000_000n, faucet: true })

const input = { source: 'return input.list.reduce((sum, n) => sum + n, 0)', input: { list: [1, 2, 3] } }
const { output, charged, provider, bill } = await hire(user, { capability: 'compute.run@1', input, maxPrice: '0.01' })
console.log(`${provider} says ${output.result} for ${charged}, settled ${bill.settled}`)

const { rail } = user.node
const vault = await rail.vault(rail.vaultId({ owner: keys.participant, voucherKey: keys.voucher.address.toLowerCase(), delay: 86_400, number: 0 }))
console.log(`proven: the vault is ${vault.owner === keys.participant ? 'mine' : 'not mine'} and has ${vault.free > 0n ? 'money free' : 'nothing free'}`)
await user.close()
await ports.close()
await evaluator.close()
