/**
 * How `careful-eye` reads: the scan cleaned first (even light, no specks, larger type), then
 * tesseract's full model with a local threshold. Used for single pages and for whole documents,
 * each with an engine of its own: a call that is cancelled costs its engine, and no other call's.
 */
import { checkPicture } from './picture.ts'
import { decodePng, encodePng } from './png.ts'
import { PageReader, type Reading } from './reader.ts'
import { restore } from './restore.ts'

/** An engine; it loads at its first page, or at `start`. */
export function carefulReader(): PageReader {
  // 2 is Sauvola: a threshold for each neighbourhood. The resolution is that of the restored page.
  return new PageReader('4.0.0', { thresholding_method: '2', user_defined_dpi: '200' } as object)
}

/** Reads one page. Errors `step.input` for what is no fit picture, `step.cancelled` when aborted. */
export function readCarefully(reader: PageReader, bytes: Uint8Array, signal: AbortSignal): Promise<Reading> {
  const image = checkPicture(bytes) === 'png' ? decodePng(bytes) : undefined
  return reader.read(image ? encodePng(restore(image)) : bytes, signal)
}
