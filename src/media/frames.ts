import type { Readable, Writable } from 'node:stream';
import type { JsonObject } from '../util/json.ts';

/** A message between the server and its picture helper: a JSON head and a body of bytes. */
export interface Frame {
  readonly head: JsonObject;
  readonly body: Buffer;
}

/** Two lengths of 32 bits (head, body), the head, the body. */
export function writeFrame(out: Writable, head: JsonObject, body: Buffer): void {
  const text = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(text.length, 0);
  lengths.writeUInt32BE(body.length, 4);
  out.write(lengths);
  out.write(text);
  out.write(body);
}

/** Calls `take` for each whole frame that comes in. */
export function readFrames(input: Readable, take: (frame: Frame) => void): void {
  let parts: Buffer[] = [];
  let have = 0;
  input.on('data', (chunk: Buffer) => {
    parts.push(chunk);
    have += chunk.length;
    for (let need = frameLength(parts); need !== undefined && have >= need; need = frameLength(parts)) {
      const all = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      const headEnd = 8 + all.readUInt32BE(0);
      take({ head: JSON.parse(all.toString('utf8', 8, headEnd)) as JsonObject, body: all.subarray(headEnd, need) });
      parts = all.length > need ? [all.subarray(need)] : [];
      have = all.length - need;
    }
  });
}

function frameLength(parts: Buffer[]): number | undefined {
  if (parts.length > 1 && (parts[0] as Buffer).length < 8) parts.splice(0, parts.length, Buffer.concat(parts));
  const first = parts[0];
  return first === undefined || first.length < 8 ? undefined : 8 + first.readUInt32BE(0) + first.readUInt32BE(4);
}
