/**
 * What `aigen dev --once` runs: the scanned memo through scan-desk. The paths are relative to the
 * package's root; the origin of the scan is stated in scans/README.md.
 */
export const SHOWCASE = {
  pipeline: 'scan-desk',
  inputs: ['scan=@examples/devnet/scans/memo.png'],
} as const
