/**
 * Writing so that it is on the disk when the call returns: a file's bytes, and the names in a folder.
 * Used by the journal and the shelf in files.
 */
import { open, type FileHandle } from 'node:fs/promises'

/** All of `bytes` at `at`, however many writes it takes; not synced. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten
}

/** Syncs what anybody wrote to the file. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** Makes names in the folder as durable as what they name. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
