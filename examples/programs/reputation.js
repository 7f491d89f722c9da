// Anybody without an account: reads what the guardians agreed on from whichever guardian's door
// answers, and believes only what a quorum of them signed. On a running `aigen dev`:
//   node examples/programs/reputation.js
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { verifyEntry, verifyRegistry } from 'aigen'

// The guardians are known from genesis; here the devnet's own file says who they are and a door of theirs.
const data = process.env.AIGEN_DATA ?? join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'aigen/dev')
const { guardians } = JSON.parse(readFileSync(join(data, 'devnet.json'), 'utf8'))
const door = process.argv[2] ?? JSON.parse(readFileSync(join(data, 'participants/north-watch/door.json'), 'utf8')).url
const ask = async (path) => (await fetch(door + path)).json()

// An epoch takes twenty seconds here: wait for the first one that knows somebody.
let answer = await ask('/reputation')
for (let tries = 0; tries < 60 && !answer.entries?.length; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  answer = await ask('/reputation')
}
const { header, entries, signatures } = verifyRegistry(answer, guardians)
console.log(`epoch ${header.epoch}: ${entries.length} entries, signed by ${signatures.length} of ${guardians.participants.length} guardians`)
for (const { provider, capability, figures } of entries) {
  console.log(`${provider} ${capability.padEnd(16)} up ${figures.uptime ?? '?'} right ${figures.success ?? '?'} p95 ${figures.p95Ms ?? '?'} ms, ${figures.probes} probes`)
}

// One entry proves itself without the others; a changed one does not.
const { entries: [proven] } = await ask(`/reputation/${entries[0].provider}`)
console.log(`proven: ${verifyEntry(proven, guardians).capability}`)
proven.entry.figures.success = 9_999
try {
  verifyEntry(proven, guardians)
} catch (error) {
  console.log(`altered: ${error.code}`)
}
