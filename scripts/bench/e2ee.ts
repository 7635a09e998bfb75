import { readFileSync, writeFileSync } from 'node:fs';
import { Person } from '../../test/support/clients/person.ts';
import type { ServerProcess } from '../../test/support/servers/server-process.ts';
import { type StartOptions, startParty } from './guests.ts';
import { type Usage, usageOf } from './process-tree.ts';

const v3 = '/_matrix/client/v3';

/** How long something took, and what memory the server had at most meanwhile and afterwards. */
export interface Figure {
  readonly what: string;
  readonly milliseconds: number;
  /** Of the server. */
  readonly cpuSeconds: number;
  /** Of the answer, if that matters. */
  readonly bytes?: number;
  readonly peakRssMib: number;
  readonly after: Usage;
}

async function measured(server: ServerProcess, what: string, work: () => Promise<number | void>): Promise<Figure> {
  // The kernel keeps the peak: to look again and again would take time of what is measured.
  writeFileSync(`/proc/${server.pid}/clear_refs`, '5');
  const before = usageOf(server.pid);
  const start = performance.now();
  const bytes = await work();
  const milliseconds = performance.now() - start;
  const after = usageOf(server.pid);
  const peak = /^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
  const figure = {
    what,
    milliseconds,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    peakRssMib: Number(peak) / 1024,
    after,
  };
  return bytes === undefined ? figure : { ...figure, bytes };
}

/** One user of each of so many servers, with ten devices; then 500 of these devices get messages for the first time. */
export async function* tracked(servers: number, options: StartOptions): AsyncGenerator<Figure> {
  const party = await startParty(servers, options);
  const { server, alice } = party;
  try {
    const users = Array.from({ length: servers }, (_, index) => `@guest:g${index}.guests.test`);
    const device_keys = Object.fromEntries(users.map((userId) => [userId, []]));
    const query = async (): Promise<void> => {
      const answer = await alice.call('POST', `${v3}/keys/query`, { device_keys });
      const found = Object.values(answer['device_keys'] as Record<string, object>);
      const count = found.reduce((sum, devices) => sum + Object.keys(devices).length, 0);
      if (count !== servers * 10) throw new Error(`${count} devices were told`);
    };
    yield await measured(server, `keys of ${servers} remote users of 10 devices, asked first`, query);
    yield await measured(server, 'the same, tracked', query);
    let since = '';
    yield await measured(server, 'initial sync', async () => {
      const { body } = await alice.sync('timeout=0');
      since = (JSON.parse(body) as { next_batch: string }).next_batch;
      return body.length;
    });
    yield await measured(
      server,
      'incremental sync',
      async () => (await alice.sync(`timeout=0&since=${since}`)).body.length,
    );
    const claimed = users
      .slice(0, Math.ceil(servers / 4))
      .map((userId) => [
        userId,
        Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`GUESTDEV${index}`, 'signed_curve25519'])),
      ]);
    yield await measured(server, `claim for ${claimed.length * 10} devices of ${claimed.length} servers`, async () => {
      const answer = await alice.call('POST', `${v3}/keys/claim`, { one_time_keys: Object.fromEntries(claimed) });
      if (Object.keys(answer['one_time_keys'] as object).length !== claimed.length) throw new Error('keys are missing');
    });
    alice.close();
  } finally {
    await party.end();
  }
}

/** The keys of so many devices of our own users are claimed, by one call. */
export async function ownClaim(server: ServerProcess, count: number): Promise<Figure> {
  const wanted: [string, Record<string, string>][] = [];
  let last: Person | undefined;
  for (let index = 0; index < count; index++) {
    last?.close();
    last = await Person.register(server.port, `owner${index}`);
    const { device_id: deviceId } = await last.call('GET', `${v3}/account/whoami`);
    const one_time_keys = Object.fromEntries(
      Array.from({ length: 50 }, (_, n) => [`signed_curve25519:AAA${n}`, { key: 'k'.repeat(43), signatures: {} }]),
    );
    await last.call('POST', `${v3}/keys/upload`, { one_time_keys });
    wanted.push([last.userId, { [deviceId as string]: 'signed_curve25519' }]);
  }
  const figure = await measured(server, `claim for ${count} devices of this server`, async () => {
    const answer = await last?.call('POST', `${v3}/keys/claim`, { one_time_keys: Object.fromEntries(wanted) });
    if (Object.keys(answer?.['one_time_keys'] as object).length !== count) throw new Error('keys are missing');
  });
  last?.close();
  return figure;
}

/** Room keys for a device that is away, one with each call: from one sender, then from ten at once; then it comes back. */
export async function* queued(server: ServerProcess, count: number): AsyncGenerator<Figure> {
  const senders: Person[] = [];
  for (let index = 0; index < 10; index++) senders.push(await Person.register(server.port, `sender${index}`));
  const receiver = await Person.register(server.port, 'away');
  const content = {
    algorithm: 'm.olm.v1.curve25519-aes-sha2',
    sender_key: 'k'.repeat(43),
    ciphertext: 'c'.repeat(1200),
  };
  const sent = senders.map(() => 0);
  const send = async (index: number, messages: number): Promise<void> => {
    for (let left = messages; left > 0; left--) {
      const n = sent[index] ?? 0;
      const body = { messages: { [receiver.userId]: { [receiver.deviceId]: { ...content, n } } } };
      await senders[index]?.call('PUT', `${v3}/sendToDevice/m.room.encrypted/${n}`, body);
      sent[index] = n + 1;
    }
  };
  const few = Math.ceil(count / 10);
  yield await measured(server, `${few} messages to a device that is away, one after the other`, () => send(0, few));
  const rest = Math.ceil((count - few) / senders.length);
  yield await measured(server, `${rest * senders.length} more, by 10 senders at once`, async () => {
    await Promise.all(senders.map((_, index) => send(index, rest)));
  });
  const seen = new Map(senders.map(({ userId }) => [userId, 0]));
  yield await measured(server, 'it gets them all, 200 with each sync', async () => {
    let bytes = 0;
    const total = sent.reduce((sum, each) => sum + each, 0);
    for (let since = '', got = 0; got < total; ) {
      const { body } = await receiver.sync(`timeout=0${since === '' ? '' : `&since=${since}`}`);
      const answer = JSON.parse(body) as {
        next_batch: string;
        to_device?: { events: { sender: string; content: { n: number } }[] };
      };
      for (const { sender, content: told } of answer.to_device?.events ?? []) {
        if (told.n !== seen.get(sender)) throw new Error('a message is missing, or comes again');
        seen.set(sender, told.n + 1);
        got++;
      }
      since = answer.next_batch;
      bytes += body.length;
    }
    return bytes;
  });
  for (const person of [...senders, receiver]) person.close();
}

/** A key backup of so many sessions in 100 rooms is filled by batches, as clients do, and fetched again. */
export async function* backup(server: ServerProcess, count: number): AsyncGenerator<Figure> {
  const owner = await Person.register(server.port, 'owner');
  const rooms = Array.from({ length: 100 }, (_, index) => `!room${index}:hearth.test`);
  const { version } = await owner.call('POST', `${v3}/room_keys/version`, {
    algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2',
    auth_data: { public_key: 'k'.repeat(43) },
  });
  const session_data = { ciphertext: 'c'.repeat(700), mac: 'mac1mac2mac', ephemeral: 'e'.repeat(43) };
  const key = { first_message_index: 0, forwarded_count: 0, is_verified: true, session_data };
  yield await measured(server, `${count} sessions into a key backup, 100 a call`, async () => {
    for (let done = 0; done < count; done += 100) {
      const sessions = rooms.map((roomId, index) => {
        return [roomId, { sessions: { [`${done + index}`.padStart(43, 's')]: key } }] as const;
      });
      const content = { rooms: Object.fromEntries(sessions.slice(0, count - done)) };
      await owner.call('PUT', `${v3}/room_keys/keys?version=${version as string}`, content);
    }
  });
  const fetched = async (path: string): Promise<number> => {
    const answer = await fetch(`${server.url}${v3}/room_keys/keys${path}?version=${version as string}`, {
      headers: { authorization: `Bearer ${owner.token}` },
    });
    if (!answer.ok || answer.body === null) throw new Error(`answered ${answer.status}`);
    let bytes = 0;
    for await (const part of answer.body as unknown as AsyncIterable<Uint8Array>) bytes += part.length;
    return bytes;
  };
  yield await measured(server, 'all of them in one answer', () => fetched(''));
  yield await measured(server, 'room by room', async () => {
    let bytes = 0;
    for (const roomId of rooms) bytes += await fetched(`/${encodeURIComponent(roomId)}`);
    return bytes;
  });
  yield await measured(server, '1,000 of them one by one', async () => {
    for (let n = 0; n < 1000; n++) {
      await fetched(`/${encodeURIComponent(rooms[n % 100] ?? '')}/${`${n}`.padStart(43, 's')}`);
    }
  });
  owner.close();
}
