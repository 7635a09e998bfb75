import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeEvent } from '../../src/protocol/events/build.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { roomVersionRules } from '../../src/protocol/room-versions.ts';
import { signRequest } from '../../src/protocol/signing/request.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { Person } from '../../test/support/person.ts';
import { freePort, ServerProcess } from '../../test/support/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { guestKey } from './guest-key.ts';
import { usageOf } from './process-tree.ts';

export interface FanOutOptions {
  /** Other servers, all in one room. */
  readonly servers: number;
  readonly messages: number;
  readonly executable?: string;
  readonly prefix: readonly string[];
}

export interface FanOutFigures {
  /** Messages that all servers have, by the time from the first send to the last delivery. */
  readonly messagesPerSecond: number;
  readonly cpuSecondsPerThousandDeliveries: number;
  /** Events in a transaction, on average. */
  readonly eventsPerTransaction: number;
  readonly connections: number;
  readonly peakRssMib: number;
  readonly rssMib: number;
  readonly anonymousMib: number;
}

interface Seen {
  readonly events: number;
  readonly transactions: number;
  readonly connections: number;
}

const version = '12';
const own = asServerName('hearth.test');

/** One user talks in a room with users of very many other servers, which all run in one other process. */
export async function fanOut(options: FanOutOptions): Promise<FanOutFigures> {
  const names = Array.from({ length: options.servers }, (_, index) => `g${index}.guests.test`);
  const ca = await ThrowAwayCa.create();
  const [port, federationPort] = [await freePort(), await freePort()];
  const guests = await startGuests({ port, ...(await ca.issue('*.guests.test')) });
  const server = await startServer(options, { names, port, federationPort, trusted: ca.cert });
  try {
    const alice = await Person.register(server.port, 'alice');
    const room = await alice.createRoom({ preset: 'public_chat', room_version: version });
    for (const name of names) await enter(name, room, federationPort);
    // Those who are in already are told of each who comes in.
    await quiet(guests);
    const figures = await talk(alice, room, { server, guests, ...options });
    alice.close();
    await server.stop();
    return figures;
  } finally {
    guests.kill();
    await server.remove();
  }
}

async function talk(
  alice: Person,
  room: string,
  { server, guests, servers, messages }: FanOutOptions & { server: ServerProcess; guests: ChildProcess },
): Promise<FanOutFigures> {
  const before = { seen: await seenBy(guests), usage: usageOf(server.pid) };
  let peakRssMib = 0;
  const start = performance.now();
  for (let i = 0; i < messages; i++) {
    await alice.say(room, `This is message ${i}, which is of the usual length.`);
    if (i % 20 === 0) peakRssMib = Math.max(peakRssMib, usageOf(server.pid).rssMib);
  }
  const wanted = before.seen.events + messages * servers;
  let seen = await seenBy(guests);
  for (; seen.events < wanted; seen = await seenBy(guests)) {
    peakRssMib = Math.max(peakRssMib, usageOf(server.pid).rssMib);
    await pause(20);
  }
  const milliseconds = performance.now() - start;
  const after = usageOf(server.pid);
  const deliveries = seen.events - before.seen.events;
  return {
    messagesPerSecond: (messages * 1000) / milliseconds,
    cpuSecondsPerThousandDeliveries: ((after.cpuSeconds - before.usage.cpuSeconds) * 1000) / deliveries,
    eventsPerTransaction: deliveries / (seen.transactions - before.seen.transactions),
    connections: seen.connections,
    peakRssMib,
    rssMib: after.rssMib,
    anonymousMib: after.anonymousMib,
  };
}

async function startGuests(options: object): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'guests-main.ts');
  const child = fork(program, [JSON.stringify(options)], { execArgv: ['--disable-warning=ExperimentalWarning'] });
  await once(child, 'message');
  return child;
}

async function seenBy(guests: ChildProcess): Promise<Seen> {
  const answer = once(guests, 'message');
  guests.send('count');
  return (await answer)[0] as Seen;
}

/** Resolves when nothing more arrives. */
async function quiet(guests: ChildProcess): Promise<void> {
  for (let last = -1; ; ) {
    const { transactions } = await seenBy(guests);
    if (transactions === last) return;
    last = transactions;
    await pause(2000);
  }
}

function startServer(
  { executable, prefix }: FanOutOptions,
  places: { names: readonly string[]; port: number; federationPort: number; trusted: string },
): Promise<ServerProcess> {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-'));
  const ca = join(dir, 'ca.pem');
  writeFileSync(ca, places.trusted);
  const resolve = places.names.map((name) => `"${name}" = "127.0.0.1:${places.port}"`);
  const toml = `[[listen]]
address = "127.0.0.1"
port = ${places.federationPort}
serves = ["federation"]
[federation]
custom_ca_files = [${JSON.stringify(ca)}]
resolve = { ${resolve.join(', ')} }
`;
  return ServerProcess.start({ dir, toml, prefix, ...(executable === undefined ? {} : { executable }) });
}

/** A user of another server joins by the handshake. */
async function enter(name: string, room: string, port: number): Promise<void> {
  const rules = roomVersionRules(version);
  if (rules === undefined) throw new Error('no such room version');
  const [roomPath, user] = [encodeURIComponent(room), encodeURIComponent(`@guest:${name}`)];
  const made = await ask(name, port, 'GET', `/_matrix/federation/v1/make_join/${roomPath}/${user}?ver=${version}`);
  const server = { serverName: asServerName(name), key: guestKey(name) };
  const event = completeEvent(made['event'] as JsonObject, rules, server);
  const path = `/_matrix/federation/v2/send_join/${roomPath}/${encodeURIComponent(event.eventId)}?omit_members=true`;
  await ask(name, port, 'PUT', path, event.pdu as unknown as JsonObject);
}

async function ask(name: string, port: number, method: string, uri: string, content?: JsonObject): Promise<JsonObject> {
  const request = { method, uri, origin: asServerName(name), destination: own };
  const authorization = signRequest(content === undefined ? request : { ...request, content }, guestKey(name));
  const answer = await fetch(`http://127.0.0.1:${port}${uri}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(content === undefined ? {} : { body: JSON.stringify(content) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${uri} was answered ${answer.status}: ${text}`);
  return JSON.parse(text) as JsonObject;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
