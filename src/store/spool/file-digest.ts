import { closeSync, openSync, readSync } from 'node:fs';
import { sha256 } from '../../util/hash.ts';

/** Read at once: some milliseconds' work. */
const pieceBytes = 256 * 1024;
/** The same for every piece: one of its own for each would be 40 MB of garbage for a large answer. */
let kept: Buffer | undefined;

/** The digest of one piece of a file; `undefined` behind its end. Those of all pieces together are the file's. */
export function digestOfPiece(file: string, piece: number): string | undefined {
  const fd = openSync(file, 'r');
  try {
    kept ??= Buffer.allocUnsafeSlow(pieceBytes);
    const buffer = kept;
    const read = readSync(fd, buffer, 0, pieceBytes, piece * pieceBytes);
    return read === 0 ? undefined : sha256(buffer.subarray(0, read)).toString('base64');
  } finally {
    closeSync(fd);
  }
}
