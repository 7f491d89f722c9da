/**
 * Who takes part in the devnet: one provider process for each service, and the amounts that those
 * who join are given. A provider's folder, card and log line bear its name.
 */

export interface DevnetProvider {
  readonly name: string
  /** Module beside this file, without its ending. */
  readonly module: string
}

/** Slow starters first: they begin to load while the others are still being spawned. */
export const PROVIDERS: readonly DevnetProvider[] = [
  { name: 'warm-tables', module: 'services/warm-query' },
  { name: 'near-and-far', module: 'services/embed' },
  { name: 'fine-lines', module: 'services/chart' },
  { name: 'careful-eye', module: 'services/careful-ocr' },
  { name: 'quick-eye', module: 'services/quick-ocr' },
  { name: 'name-finder', module: 'services/entities' },
  { name: 'paper-trail', module: 'services/query' },
  { name: 'plain-engine', module: 'services/compute' },
]
