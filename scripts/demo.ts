// npm run demo – three federated Hearths on loopback, one user each, all in one room. Ends with Ctrl-C; nothing is kept.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Person } from '../test/support/clients/person.ts';
import { freePort, ServerProcess } from '../test/support/servers/server-process.ts';
import { type IssuedCertificate, ThrowAwayCa } from '../test/support/throw-away-ca.ts';

interface Place {
  readonly name: string;
  readonly user: string;
  /** Where the other servers reach it. */
  readonly port: number;
}

const places: Place[] = [
  { name: 'one.test', user: 'alice', port: await freePort() },
  { name: 'two.test', user: 'bob', port: await freePort() },
  { name: 'three.test', user: 'carol', port: await freePort() },
];

const servers: ServerProcess[] = [];
const people: Person[] = [];
process.once('SIGINT', () => void end(0));
process.once('SIGTERM', () => void end(0));

try {
  const ca = await ThrowAwayCa.create();
  for (const place of places) {
    process.stdout.write(`Starting ${place.name} …\n`);
    servers.push(await start(place, ca.cert, await ca.issue(place.name)));
  }
  const room = await everybodyInOneRoom();
  tell(room);
  if (process.argv.includes('--once')) await end(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  await end(1);
}

function start(place: Place, trusted: string, { cert, key }: IssuedCertificate): Promise<ServerProcess> {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-demo-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return JSON.stringify(join(dir, name));
  };
  const resolve = places.map(({ name, port }) => `${JSON.stringify(name)} = "127.0.0.1:${port}"`).join(', ');
  const toml = `[[listen]]
address = "127.0.0.1"
port = ${place.port}
tls = "files"
tls_cert = ${file('cert.pem', cert)}
tls_key = ${file('key.pem', key)}
serves = ["federation"]
[federation]
custom_ca_files = [${file('ca.pem', trusted)}]
resolve = { ${resolve} }
`;
  return ServerProcess.start({ dir, serverName: place.name, toml });
}

/** The first makes a room, the others join it over federation, and each says something. */
async function everybodyInOneRoom(): Promise<string> {
  for (const [index, { user }] of places.entries()) {
    const port = servers[index]?.port;
    if (port !== undefined) people.push(await Person.register(port, user));
  }
  const [host, ...guests] = people;
  if (host === undefined) throw new Error('nobody is there');
  const room = await host.createRoom({ name: 'The hearth', preset: 'public_chat', room_alias_name: 'hearth' });
  for (const guest of guests) await guest.join('#hearth:one.test');
  for (const person of people) await person.say(room, `Hello from ${person.userId}`);
  return room;
}

function tell(room: string): void {
  process.stdout.write(`\nThree servers share the room #hearth:one.test (${room}).\n`);
  for (const [index, person] of people.entries()) {
    const place = places[index];
    process.stdout.write(
      `\n  ${person.userId}\n    homeserver  ${servers[index]?.url}\n    user        ${place?.user}\n` +
        `    password    the password of ${place?.user}\n`,
    );
  }
  process.stdout.write('\nLog in with any Matrix client that takes a homeserver address. Ctrl-C ends it all.\n');
}

async function end(code: number): Promise<never> {
  for (const person of people) person.close();
  await Promise.all(servers.map((server) => server.stop().then(() => server.remove())));
  process.exit(code);
}
