// A watcher: an agent without a model. It asks the bird strike data every few seconds, and when its
// condition becomes true it runs a pipeline, once. On a running `aigen dev`:
//   node examples/programs/watcher.js
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  connectPorts, evaluateWith, finishRun, makeBoundedEvaluator, openKeys, openUser, readNetworkFile, requestAdmission, startWatcher, systemRandom, untilWatcher, watcherRooms,
} from 'aigen'

const data = process.env.AIGEN_DATA ?? join(homedir(), '.local/state/aigen/dev')
const network = await readNetworkFile(data)
const keys = await openKeys({ home: join(data, 'participants', 'bird-watcher'), random: systemRandom })
const ports = await connectPorts(await requestAdmission(network, keys.participant), keys.participant)
const evaluator = makeBoundedEvaluator()
const evaluate = evaluateWith(evaluator)
const user = await openUser({ ports, keys, evaluate, deposit: 1_000_000n, faucet: true, rooms: watcherRooms({ evaluate }) })

const id = await startWatcher(user, {
  name: 'costly-strikes',
  look: { uses: 'data.query@1', with: { sql: 'SELECT count(*) AS strikes FROM birdstrikes WHERE cost_total > 100000' }, price: { max: '0.01' } },
  when: '${output.rows[0].strikes > 0.0 && (steps.last == null || output.rows[0].strikes > steps.last.rows[0].strikes)}',
  every: '5s', budget: '0.10', runs: 1, expires: '5m',
  pipeline: {
    name: 'worst-species', version: '1.0.0', budget: { max: '0.02' }, input: { type: 'object', properties: { strikes: { type: 'number' } } },
    steps: {
      species: { uses: 'data.query@1', with: { sql: 'SELECT species, sum(cost_total) AS cost FROM birdstrikes GROUP BY species ORDER BY cost DESC LIMIT 1' }, price: { max: '0.01' }, retry: { attempts: 2 } },
    },
    output: { strikes: '${input.strikes}', worst: '${steps.species.rows[0].species}' },
  },
  inputs: { strikes: '${output.rows[0].strikes}' },
})
const report = await untilWatcher(user, id, () => false, 60_000)
const { output } = await finishRun(user, report.fired[0].run, 60_000)
console.log(`${report.looks} look, ${report.fires} run, ended by ${report.ended}: ${output.strikes} costly strikes, worst ${output.worst}; spent ${report.spent} of ${report.budget}`)
await user.close()
await Promise.all([ports.close(), evaluator.close()])
