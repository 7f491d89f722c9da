/**
 * What every test file starts with: how often properties are tried (100 times, or 2,000 in
 * `npm run test:long`; a test that names its own numRuns keeps it). fast-check prints the seed of a failure.
 */
import fc from 'fast-check'

fc.configureGlobal({ numRuns: process.env['AIGEN_LONG'] === '1' ? 2000 : 100 })
