/** Stands in for `node:sea` in the program that is a script with its parts behind it: see `build/script-file.ts`. */
import { closeSync, openSync, readSync } from 'node:fs';
import { getEnvironmentData } from 'node:worker_threads';

interface Own {
  readonly file: string;
  readonly places: Readonly<Record<string, readonly [at: number, length: number]>>;
}

/** The script has left this in the process, threads included. */
const own = (): Own => getEnvironmentData('hearth') as unknown as Own;

export const isSea = (): boolean => true;

export function getRawAsset(name: string): ArrayBuffer {
  const { file, places } = own();
  const [at, length] = places[name] ?? [0, 0];
  const bytes = new Uint8Array(length);
  const fd = openSync(file, 'r');
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(fd, bytes, done, length - done, at + done);
      if (count === 0) throw new Error(`${file} is cut short`);
      done += count;
    }
  } finally {
    closeSync(fd);
  }
  return bytes.buffer;
}

export function getAsset(name: string, _encoding: 'utf8'): string {
  return Buffer.from(getRawAsset(name)).toString('utf8');
}
