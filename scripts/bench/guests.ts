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
import { Person } from '../../test/support/clients/person.ts';
import { freePort, ServerProcess } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { guestKey } from './guest-key.ts';

export interface StartOptions {
  readonly executable?: string;
  readonly prefix: readonly string[];
}

/** A server, and one user of each of very many others in a room with one of its own. */
export interface Party {
  readonly server: ServerProcess;
  /** All the other servers. */
  readonly guests: ChildProcess;
  readonly alice: Person;
  readonly room: string;
  end(): Promise<void>;
}

const version = '12';
const own = asServerName('hearth.test');

/** `@guest:g0.guests.test` and so on, one of each server. */
export async function startParty(servers: number, options: StartOptions): Promise<Party> {
  const names = Array.from({ length: servers }, (_, index) => `g${index}.guests.test`);
  const ca = await ThrowAwayCa.create();
  const [port, federationPort] = [await freePort(), await freePort()];
  const guests = await startGuests({ port, ...(await ca.issue('*.guests.test')) });
  const server = await startServer(options, { names, port, federationPort, trusted: ca.cert });
  const end = async (): Promise<void> => {
    await server.stop();
    guests.kill();
    await server.remove();
  };
  try {
    const alice = await Person.register(server.port, 'alice');
    const room = await alice.createRoom({ preset: 'public_chat', room_version: version });
    for (const name of names) await enter(name, room, federationPort);
    return { server, guests, alice, room, end };
  } catch (problem) {
    await end();
    throw problem;
  }
}

async function startGuests(options: object): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'guests-main.ts');
  const child = fork(program, [JSON.stringify(options)], { execArgv: ['--disable-warning=ExperimentalWarning'] });
  await once(child, 'message');
  return child;
}

function startServer(
  { executable, prefix }: StartOptions,
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
