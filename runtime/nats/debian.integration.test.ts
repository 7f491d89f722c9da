/** Fetches Debian's package for real, where this system has an archive. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { thisMachine } from './find-server.ts'
import { fromDebian } from './sources/debian.ts'
import { cached } from './sources/install.ts'
import { atLeast } from './sources/source.ts'

test('the package of a newer suite is fetched, checked and unpacked without root', { timeout: 300_000 }, async (context) => {
  const cache = await mkdtemp(join(tmpdir(), 'aigen-debian-'))
  try {
    const machine = { ...thisMachine(), cache }
    const apt = await machine.run('apt-get', ['--version']).then(() => true, () => false)
    if (!apt) return context.skip('this system has no apt-get')
    const found = await fromDebian(machine)
    expect(found).toMatchObject({ source: 'debian' })
    expect(atLeast(found!.version, '2.9.10')).toBe(true)
    expect(await cached(machine)).toEqual({ ...found, source: 'cache' })
    expect(await readdir(cache)).toEqual(['nats-server'])
  } finally {
    await rm(cache, { recursive: true, force: true })
  }
})
