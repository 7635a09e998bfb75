import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { buildEvent } from '../../src/protocol/events/build.ts';
import { asEventId } from '../../src/protocol/ids/event-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import type { EventId } from '../../src/protocol/ids/types.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { signRequest } from '../../src/protocol/signing/request.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { Person } from '../../test/support/clients/person.ts';
import { rulesOf } from '../../test/support/federation/scripted-server.ts';
import { type GiantAbout, giantKey, giantRoom, giantServer, readGiant } from '../../test/support/giant/giant-room.ts';
import { freePort } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { startBeside, startGiant } from './giant-process.ts';
import { usageOf } from './process-tree.ts';

export interface InboundFigures {
  readonly pdusPerSecond: number;
  readonly cpuSecondsPerThousand: number;
  readonly rssMib: number;
  readonly anonymousMib: number;
}

const pdusInTransaction = 50;
const version = '10';

/** One server sends messages of one user in one room, full transactions, one after the other. */
export async function inbound(options: {
  readonly messages: number;
  readonly executable?: string;
  readonly prefix: readonly string[];
}): Promise<InboundFigures> {
  const folder = giantRoom({ members: 10, servers: 5, version });
  const about = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const [port, federationPort] = [await freePort(), await freePort()];
  const issued = await ca.issue('giant.test', '*.giant.test');
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: false });
  const toml = `[[listen]]\naddress = "127.0.0.1"\nport = ${federationPort}\nserves = ["federation"]\n`;
  const server = await startBeside({ ...options, servers: 5, port, trusted: ca.cert, toml });
  try {
    const alice = await Person.register(server.port, 'alice');
    await alice.call('POST', `/_matrix/client/v3/join/${encodeURIComponent(about.roomId)}?via=giant.test`, {});
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(about.roomId)}/messages?dir=b&limit=1`;
    const { chunk } = (await alice.call('GET', path)) as { chunk: { event_id: string }[] };
    alice.close();
    const bodies = transactions(about, asEventId(chunk[0]?.event_id ?? ''), options.messages);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    // The first one has the keys fetched.
    await send(agent, federationPort, 0, bodies[0] as JsonObject);
    const before = usageOf(server.pid).cpuSeconds;
    const start = performance.now();
    for (const [index, body] of bodies.entries()) if (index > 0) await send(agent, federationPort, index, body);
    const seconds = (performance.now() - start) / 1000;
    const usage = usageOf(server.pid);
    const count = (bodies.length - 1) * pdusInTransaction;
    agent.destroy();
    return {
      pdusPerSecond: count / seconds,
      cpuSecondsPerThousand: ((usage.cpuSeconds - before) / count) * 1000,
      rssMib: usage.rssMib,
      anonymousMib: usage.anonymousMib,
    };
  } finally {
    giant.kill();
    await server.stop();
    await server.remove();
  }
}

/** Signed beforehand, so that only the receiver is measured. */
function transactions(about: GiantAbout, tip: EventId, messages: number): JsonObject[] {
  const rules = rulesOf(version);
  const sender = asUserId('@creator:giant.test');
  const auth = ['m.room.create|', 'm.room.power_levels|', `m.room.member|${sender}`].map((key) => about.rules[key]);
  const signer = { serverName: giantServer(0), key: giantKey('giant.test') };
  let [newest, depth] = [tip, about.depth + 1];
  const bodies: JsonObject[] = [];
  while (bodies.length * pdusInTransaction < messages + pdusInTransaction) {
    const pdus: JsonObject[] = [];
    for (let i = 0; i < pdusInTransaction; i++) {
      const event = buildEvent(
        {
          type: 'm.room.message',
          sender,
          content: { msgtype: 'm.text', body: `Message ${depth} of a server that has a lot to say` },
          roomId: about.roomId,
          prevEvents: [newest],
          authEvents: auth.filter((id) => id !== undefined),
          depth: ++depth,
          originServerTs: Date.now(),
        },
        rules,
        signer,
      );
      newest = event.eventId;
      pdus.push(event.pdu as unknown as JsonObject);
    }
    bodies.push({ origin: 'giant.test', origin_server_ts: Date.now(), pdus, edus: [] });
  }
  return bodies;
}

async function send(agent: Agent, port: number, index: number, content: JsonObject): Promise<void> {
  const uri = `/_matrix/federation/v1/send/bench${index}`;
  const origin = asServerName('giant.test');
  const signed = { method: 'PUT', uri, origin, destination: asServerName('hearth.test'), content };
  const call = request({
    agent,
    host: '127.0.0.1',
    port,
    method: 'PUT',
    path: uri,
    headers: { Authorization: signRequest(signed, giantKey(origin)), 'Content-Type': 'application/json' },
  });
  call.end(JSON.stringify(content));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece as string;
  const answer = JSON.parse(text) as { pdus?: Record<string, { error?: string }> };
  const refused = Object.values(answer.pdus ?? {}).find(({ error }) => error !== undefined);
  if (response.statusCode !== 200 || refused !== undefined)
    throw new Error(`not taken: ${response.statusCode} ${text}`);
}
