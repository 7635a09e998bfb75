import { openFilter, parseFilter } from '../src/protocol/filters/filter.ts';
import { millis } from '../src/util/brand.ts';
import { openSyncWorld } from '../test/sync/sync-world.ts';

/**
 * What one incremental /sync with one new message costs, and what the message itself does to send, in a room where
 * everybody syncs: `node --import ./build/text-imports.mjs scripts/measure-sync.ts [users] [messages] [other rooms]`.
 * Without HTTP; the send's durability included.
 */
const [users = 10, messages = 1000, otherRooms = 0] = process.argv.slice(2).map(Number);

await using world = openSyncWorld();
const people = Array.from({ length: users }, (_, index) => world.person(`user${index}`, index + 1));
const [first] = people as [(typeof people)[number]];
const room = await first.createRoom({ name: 'Bench' });
for (const person of people.slice(1)) await person.join(room);
for (let index = 0; index < otherRooms; index++) {
  const other = await first.createRoom();
  for (const person of people.slice(1)) await person.join(other);
}
const lazy = parseFilter({ room: { state: { lazy_load_members: true } } });

for (const [name, filter] of [
  ['plain', openFilter],
  ['lazy members', lazy],
] as const) {
  const tokens = new Map<unknown, string>();
  const ask = async (person: (typeof people)[number]) => {
    const since = tokens.get(person);
    const answer = await world.services.sync.sync({
      requester: person.requester,
      filter,
      since,
      fullState: false,
      stateSection: 'state',
      timeout: millis(0),
      signal: new AbortController().signal,
    });
    const text = typeof answer === 'string' ? answer : [...answer].join('');
    tokens.set(person, /"next_batch":"([^"]+)"/.exec(text)?.[1] as string);
    return text.length;
  };
  for (const person of people) await ask(person);
  let syncing = 0;
  let sending = 0;
  let size = 0;
  for (let message = 0; message < messages; message++) {
    const before = process.cpuUsage();
    await people[message % users]?.say(room, `message ${message}`);
    const between = process.cpuUsage();
    for (const person of people) size += await ask(person);
    const after = process.cpuUsage();
    sending += between.user + between.system - before.user - before.system;
    syncing += after.user + after.system - between.user - between.system;
  }
  const perSync = (syncing / messages / users).toFixed(1);
  const perSend = (sending / messages).toFixed(1);
  process.stdout.write(
    `${name}: ${perSync} µs CPU per sync of ${Math.round(size / messages / users)} bytes, ${perSend} µs per send\n`,
  );
}
