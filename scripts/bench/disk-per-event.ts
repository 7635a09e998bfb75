import { Person } from '../../test/support/clients/person.ts';
import type { ServerProcess } from '../../test/support/servers/server-process.ts';
import { chat } from './chat.ts';
import { diskOf } from './disk.ts';

/** Bytes that a message and a member's join take in hearth.db, all tables and indexes counted. */
export async function diskPerEvent(
  start: () => Promise<ServerProcess>,
  messages: number,
  members: number,
): Promise<{ what: string; figures: string }[]> {
  const server = await start();
  const people: Person[] = [];
  for (let i = 0; i < members; i++) people.push(await Person.register(server.port, `user${i}`));
  const first = people[0] as Person;
  const room = await first.createRoom({ preset: 'public_chat' });
  const empty = diskOf(server.dataDir);
  for (const person of people.slice(1)) await person.join(room);
  const joined = await packed(server);
  for (const person of people.slice(10)) {
    await person.call('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/leave`, {});
  }
  const before = await packed(server);
  await chat(server, people.slice(0, 10), room, { senders: 10, messages });
  for (const person of people) person.close();
  const raw = diskOf(server.dataDir);
  const after = await packed(server);
  await server.stop();
  await server.remove();
  const share = [...after.byTable]
    .map(([name, size]) => [name, (size - (before.byTable.get(name) ?? 0)) / messages] as const)
    .filter(([, size]) => size >= 1)
    .sort((a, b) => b[1] - a[1])
    .map(([name, size]) => `${name} ${size.toFixed(0)}`);
  return [
    {
      what: `disk for a join (${members - 1} members)`,
      figures: `${((joined.used - empty.used) / (members - 1)).toFixed(0)} bytes`,
    },
    {
      what: `disk for a message (${messages}), before packing`,
      figures: `${((raw.used - before.used) / messages).toFixed(0)} bytes, ${raw.unpacked} still raw`,
    },
    {
      what: `disk for a message (${messages}), after packing`,
      figures: `${((after.used - before.used) / messages).toFixed(0)} bytes: ${share.join(', ')}`,
    },
  ];
}

/** Waits until the background packer has gone through everything. */
async function packed(server: ServerProcess): Promise<ReturnType<typeof diskOf>> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const figures = diskOf(server.dataDir);
    if (figures.unpacked === 0) return figures;
    await new Promise((done) => setTimeout(done, 500));
  }
  throw new Error('the packer did not finish within five minutes');
}
