import { request } from 'node:http';

export interface SlowReading {
  readonly bytes: number;
  /** Member events of users who are in a room. */
  readonly members: number;
}

/** Bytes taken at once, and how long is waited after each piece: 2 MB a second. */
const piece = 64 * 1024;
const wait = 32;

/** Reads an answer of any size slowly, so that the server has to wait for its client. */
export async function readSlowly(port: number, token: string, path: string): Promise<SlowReading> {
  const response = await new Promise<AsyncIterable<Buffer>>((done, failed) => {
    const call = request({ port, host: '127.0.0.1', path, headers: { Authorization: `Bearer ${token}` } }, done);
    call.once('error', failed).end();
  });
  const joined = '"membership":"join"';
  let bytes = 0;
  let members = 0;
  let taken = 0;
  let rest = '';
  for await (const chunk of response) {
    bytes += chunk.length;
    taken += chunk.length;
    const text = rest + chunk.toString('latin1');
    members += text.split(joined).length - 1;
    rest = text.slice(-(joined.length - 1));
    if (taken < piece) continue;
    taken = 0;
    await new Promise((done) => setTimeout(done, wait));
  }
  return { bytes, members };
}
