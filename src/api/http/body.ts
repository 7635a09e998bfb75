import { MatrixError, tooLarge } from '../../protocol/errors.ts';
import type { HttpCall } from './types.ts';

const nothing = Buffer.alloc(0);

/**
 * The whole body, at most `limit` bytes; 413 M_TOO_LARGE beyond that. `grow` is told of each piece before it is kept,
 * and may throw.
 */
export function readBody(
  call: Pick<HttpCall, 'headers' | 'stream'>,
  limit: number,
  grow: (bytes: number) => void = () => {},
): Promise<Buffer> | Buffer {
  const declared = call.headers['content-length'];
  if (declared === undefined && call.headers['transfer-encoding'] === undefined) return nothing;
  if (declared === '0') return nothing;
  if (declared !== undefined && Number(declared) > limit) throw bodyTooLarge(limit);
  return collect(call, limit, grow);
}

function collect({ stream }: Pick<HttpCall, 'stream'>, limit: number, grow: (bytes: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const release = () => stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    const stop = (error: Error) => {
      release();
      // What is still to come is read and dropped by the server once the answer is out.
      stream.pause();
      reject(error);
    };
    const onData = (piece: Buffer) => {
      size += piece.length;
      if (size > limit) return stop(bodyTooLarge(limit));
      try {
        grow(piece.length);
      } catch (error) {
        return stop(error as Error);
      }
      pieces.push(piece);
    };
    const onEnd = () => {
      release();
      resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, size));
    };
    const onError = (error: Error) => stop(cutShort(error));
    const onClose = () => stop(cutShort(undefined));
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}

const bodyTooLarge = (limit: number) => tooLarge(`The request body may have at most ${limit} bytes`);

/** Nobody reads this answer: the client has gone. */
const cutShort = (cause: unknown) => new MatrixError(400, 'M_NOT_JSON', 'The request body was cut short', { cause });
