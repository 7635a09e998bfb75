import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { connect } from 'node:tls';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { signRequest } from '../../src/protocol/signing/request.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { hearth } from '../../test/cli/command.ts';
import { Person } from '../../test/support/clients/person.ts';
import { giantKey, giantRoom, giantServer, readGiant } from '../../test/support/giant/giant-room.ts';
import { MemoryCage } from '../../test/support/servers/memory-cage.ts';
import { freePort, type ServerProcess } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { limitMib } from './extremes.ts';
import { startBeside, startGiant } from './giant-process.ts';
import { usageOf } from './process-tree.ts';

/** What came of a flood. */
export interface FloodOutcome {
  /** How often each status was answered; `cut`: the connection was closed. */
  readonly answers: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly killed: boolean;
  readonly peakRssMib: number;
  /** Of all of the control group, page cache included; `undefined` without one. */
  readonly peakMib: number | undefined;
  /** Seconds until memory was not critical any more; `undefined`: it was within a minute and a half not. */
  readonly recovered: number | undefined;
}

interface Target {
  readonly server: ServerProcess;
  readonly federationPort: number;
  readonly alice: Person;
}

type Flood = (target: Target) => Promise<(number | string)[]>;

const servers = 51;
const mib = 1024 * 1024;

/** More than a small board can take, all at once. Limits on how often something may be done are switched off. */
export const floods: readonly (readonly [what: string, flood: Flood])[] = [
  ['50 servers at once, 50 PDUs of 60 KB each, three times', threeRounds],
  ['400 uploads of 50 MB at once', (target) => all(400, () => upload(target, 50 * mib))],
  ['2,000 TLS connections that say nothing', (target) => silentConnections(target, 2000)],
  [
    '400 first syncs of an account in a room of 2,000 at once',
    (target) => all(400, () => get(target, '/_matrix/client/v3/sync?timeout=0')),
  ],
];

const rest = 90_000;

export async function underFlood(
  flood: Flood,
  options: { readonly executable: string; readonly prefix: readonly string[] },
): Promise<FloodOutcome> {
  const ca = await ThrowAwayCa.create();
  const [port, federationPort] = [await freePort(), await freePort()];
  const issued = await ca.issue('giant.test', '*.giant.test', 'hearth.test');
  const folder = giantRoom({ members: 2000, servers, version: '10' });
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: false });
  using cage = MemoryCage.make(limitMib);
  const certificate = `tls = "files"\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n`;
  const listen = `[[listen]]\naddress = "127.0.0.1"\nport = ${federationPort}\nserves = ["federation"]\n`;
  const server = await startBeside({
    ...options,
    servers,
    port,
    trusted: ca.cert,
    prefix: [...options.prefix, ...(cage?.prefix ?? [])],
    toml: listen + certificate,
    files: { 'cert.pem': issued.cert, 'key.pem': issued.key },
  });
  let peakRssMib = 0;
  const watch = setInterval(() => {
    peakRssMib = Math.max(peakRssMib, usageOf(server.pid).rssMib);
  }, 100);
  try {
    const alice = await Person.register(server.port, 'alice');
    const room = encodeURIComponent(readGiant(folder).roomId);
    await alice.call('POST', `/_matrix/client/v3/join/${room}?via=giant.test`, {});
    const start = performance.now();
    const results = await flood({ server, federationPort, alice });
    const seconds = (performance.now() - start) / 1000;
    const recovered = await untilEasier(server);
    alice.close();
    const counts = Map.groupBy(results, String);
    return {
      answers: Object.fromEntries([...counts].map(([status, which]) => [status, which.length])),
      seconds,
      killed: (cage?.kills ?? 0) > 0,
      peakRssMib,
      peakMib: cage?.peakMib,
      recovered,
    };
  } finally {
    clearInterval(watch);
    giant.kill();
    await server.remove();
  }
}

/** Seconds until `hearth db stats` says so. */
async function untilEasier(server: ServerProcess): Promise<number | undefined> {
  const start = performance.now();
  while (performance.now() - start < rest) {
    const { stdout } = await hearth('db stats --json', { folder: server.dir });
    const { memory } = (stdout === '' ? {} : JSON.parse(stdout)) as { memory?: { level?: string } };
    if (memory?.level !== undefined && memory.level !== 'critical') return (performance.now() - start) / 1000;
    await pause(1000);
  }
  return undefined;
}

function all(count: number, one: () => Promise<number | string>): Promise<(number | string)[]> {
  return Promise.all(Array.from({ length: count }, one));
}

const plain = new Agent({ keepAlive: true, maxSockets: 5000 });
const secure = new TlsAgent({ keepAlive: true, maxSockets: 5000, rejectUnauthorized: false });

async function answered(call: ClientRequest): Promise<number | string> {
  // Also once it is answered: who refuses does not read to the end.
  call.on('error', () => {});
  try {
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    for await (const _piece of response);
    return response.statusCode ?? 0;
  } catch {
    return 'cut';
  }
}

function get({ server, alice }: Target, path: string): Promise<number | string> {
  const headers = { Authorization: `Bearer ${alice.token}` };
  const call = request({ agent: plain, host: '127.0.0.1', port: server.port, path, headers });
  call.end();
  return answered(call);
}

function upload({ server, alice }: Target, bytes: number): Promise<number | string> {
  const headers = { Authorization: `Bearer ${alice.token}`, 'Content-Length': bytes };
  const path = '/_matrix/media/v3/upload';
  const call = request({ agent: plain, host: '127.0.0.1', port: server.port, method: 'POST', path, headers });
  const piece = Buffer.alloc(256 * 1024, 'x');
  let left = bytes;
  const write = (): void => {
    while (left > 0) {
      left -= piece.length;
      if (!call.write(piece.subarray(0, Math.min(piece.length, left + piece.length)))) {
        call.once('drain', write);
        return;
      }
    }
    call.end();
  };
  const outcome = answered(call);
  write();
  return outcome;
}

/** Events of a room that is not known here, each server from an address of its own: they are read and checked before that is found out. */
async function threeRounds({ federationPort }: Target): Promise<(number | string)[]> {
  const results: (number | string)[] = [];
  const body = 'x'.repeat(60_000);
  for (let round = 0; round < 3; round++) {
    const told = Array.from({ length: servers - 1 }, (_, index) => {
      const origin = giantServer(index + 1);
      const pdus = Array.from({ length: 50 }, (_event, depth) => ({
        type: 'm.room.message',
        sender: `@u:${origin}`,
        room_id: '!nowhere:giant.test',
        content: { msgtype: 'm.text', body: `${round} ${depth} ${body}` },
        depth,
        prev_events: [],
        auth_events: [],
        origin_server_ts: 0,
        hashes: { sha256: 'x' },
        signatures: { [origin]: { 'ed25519:x': 'x' } },
      }));
      return transaction(federationPort, index, { origin, pdus, id: `${round}-${index}` });
    });
    results.push(...(await Promise.all(told)));
  }
  return results;
}

function transaction(
  port: number,
  index: number,
  { origin, pdus, id }: { readonly origin: string; readonly pdus: readonly JsonObject[]; readonly id: string },
): Promise<number | string> {
  const content = { origin, origin_server_ts: 0, pdus: [...pdus], edus: [] };
  const uri = `/_matrix/federation/v1/send/${id}`;
  const [from, to] = [asServerName(origin), asServerName('hearth.test')];
  const Authorization = signRequest({ method: 'PUT', uri, origin: from, destination: to, content }, giantKey(origin));
  const text = JSON.stringify(content);
  const headers = { Authorization, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  const place = { host: '127.0.0.1', port, localAddress: `127.0.1.${index + 1}`, servername: 'hearth.test' };
  const call = tlsRequest({ agent: secure, ...place, method: 'PUT', path: uri, headers });
  call.end(text);
  return answered(call);
}

async function silentConnections({ federationPort }: Target, count: number): Promise<string[]> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ host: '127.0.0.1', port: federationPort, rejectUnauthorized: false });
    return socket.on('error', () => {});
  });
  await pause(15_000);
  const results = sockets.map((socket) => (socket.destroyed || !socket.writable ? 'cut' : 'open'));
  for (const socket of sockets) socket.destroy();
  return results;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
