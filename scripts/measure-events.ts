/**
 * Prints what 10,000 messages take on disk before and after packing, table by table, and how long reading one takes:
 *
 *     node --import ./build/text-imports.mjs scripts/measure-events.ts
 */
import { encodeBase64, encodeBase64Url, sha256Base64 } from '../src/protocol/base64.ts';
import { canonicalJson } from '../src/protocol/canonical-json.ts';
import { memberships } from '../src/store/events/membership.ts';
import type { EventNid, StateKeyNid } from '../src/store/nids.ts';
import type { JsonObject } from '../src/util/json.ts';
import { Seeded } from '../test/support/seeded.ts';
import { SeededRandom } from '../test/support/seeded-random.ts';
import { openTestStore } from '../test/support/store.ts';

const messages = Number(process.argv[2] ?? 10_000);
const random = new Seeded(1);
const bytes = new SeededRandom('measure');
await using store = openTestStore({ cacheKib: 16_384 });
const { db, stores, streams } = store;
const { interning } = stores;

const vocabulary = (
  'the a we you can could should will build test board kitchen garden music tonight tomorrow maybe dinner photo train' +
  ' late early server update restart signal cable router printer lights heating window plants cat dog school lesson' +
  ' meeting ticket holiday weather rain sunny coffee bread market cheap broken fixed again nice great sorry thanks' +
  ' quickly slowly question answer idea plan weekend morning evening project release branch review issue merge deploy'
).split(' ');

function sentence(): string {
  const count = 3 + random.below(18);
  return Array.from({ length: count }, () => random.pick(vocabulary)).join(' ');
}

function content(): JsonObject {
  const body = sentence();
  const spread = random.fraction();
  const plain: JsonObject = { body, 'm.mentions': {}, msgtype: 'm.text' };
  if (spread < 0.7) return plain;
  const other = `$${encodeBase64Url(bytes.bytes(32))}`;
  if (spread < 0.8) return { ...plain, 'm.relates_to': { 'm.in_reply_to': { event_id: other } } };
  if (spread < 0.88) return { 'm.relates_to': { event_id: other, key: '👍️', rel_type: 'm.annotation' } };
  if (spread < 0.95) {
    return { ...plain, format: 'org.matrix.custom.html', formatted_body: `<strong>${body}</strong>` };
  }
  return {
    body: `IMG_${random.below(10_000)}.jpg`,
    info: { h: 1080 + random.below(900), mimetype: 'image/jpeg', size: random.below(900_000), w: 1920 },
    msgtype: 'm.image',
    url: `mxc://example.org/${encodeBase64Url(bytes.bytes(18))}`,
  };
}

const roomId = `!${encodeBase64Url(bytes.bytes(32))}`;
const users = Array.from({ length: 10 }, (_, i) => `@person${i}:localhost`);
let previous: string | undefined;
let depth = 0;
const nids: EventNid[] = [];

function add(sender: string, type: string, stateKey: string | undefined, body: JsonObject, auth: string[]): string {
  const unsealed = {
    auth_events: auth,
    content: body,
    depth: ++depth,
    origin_server_ts: 1_760_000_000_000 + depth * 7919,
    prev_events: previous === undefined ? [] : [previous],
    room_id: roomId,
    sender,
    ...(stateKey !== undefined && { state_key: stateKey }),
    type,
  };
  const canonical = canonicalJson({
    ...unsealed,
    hashes: { sha256: sha256Base64(canonicalJson(unsealed)) },
    signatures: { localhost: { 'ed25519:a_8Xq2': encodeBase64(bytes.bytes(64)) } },
  });
  const id = `$${encodeBase64Url(bytes.bytes(32))}`;
  const nid = interning.event(id);
  const room = interning.room(roomId);
  const before = depth === 1 ? undefined : stores.roomState.tip(room);
  const pos = streams.next();
  if (depth === 1) stores.roomState.createRoom(room, '12', pos);
  const key: StateKeyNid | null = stateKey === undefined ? null : interning.stateKey(type, stateKey);
  stores.events.insert({
    nid,
    room,
    type: interning.type(type),
    sender: interning.user(sender),
    stateKey: key,
    depth,
    ts: unsealed.origin_server_ts,
    flags: 0,
    membership: type === 'm.room.member' ? memberships.join : undefined,
    pos,
    ...stores.timeline.append(room, nid, pos),
    before,
    canonical,
    parents: previous === undefined ? [] : [interning.event(previous)],
  });
  stores.extremities.replace(room, previous === undefined ? [] : [interning.event(previous)], [nid]);
  if (key !== null) {
    stores.authGraph.add(
      nid,
      room,
      auth.map((each) => interning.event(each)),
      key,
    );
    stores.roomState.applyCurrent(room, pos, [{ key, event: nid }]);
  }
  previous = id;
  nids.push(nid);
  return id;
}

interface TableSize {
  readonly name: string;
  readonly size: number;
}
const sizes = db.prepare<[], TableSize>('SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name');

function measure(): Map<string, number> {
  return new Map(sizes.all().map(({ name, size }) => [name, size]));
}

const members = db.write<string[]>(() => {
  add(users[0] ?? '', 'm.room.create', '', { room_version: '12' }, []);
  const levels = add(users[0] ?? '', 'm.room.power_levels', '', { users: {} }, []);
  const joined = users.map((user) => {
    const profile = { avatar_url: 'mxc://example.org/abcdefghijklmnop', displayname: user, membership: 'join' };
    return add(user, 'm.room.member', user, profile, [levels]);
  });
  return [levels, ...joined];
});
const empty = measure();
for (let sent = 0; sent < messages; sent += 50) {
  db.write<void>(() => {
    for (let i = 0; i < 50; i++) {
      const at = random.below(users.length);
      const body = content();
      const type = 'body' in body ? 'm.room.message' : 'm.reaction';
      add(users[at] ?? '', type, undefined, body, [members[0] ?? '', members[at + 1] ?? '']);
    }
  });
}

function timeOf(read: (nid: EventNid) => unknown): string {
  const some = nids.slice(-2000);
  for (const nid of some) read(nid);
  const start = performance.now();
  for (const nid of some) read(nid);
  return `${(((performance.now() - start) / some.length) * 1000).toFixed(1)} µs`;
}

function report(title: string): void {
  const now = measure();
  let total = 0;
  const lines: string[] = [];
  for (const [name, size] of now) {
    const each = (size - (empty.get(name) ?? 0)) / messages;
    total += each;
    if (each >= 0.5) lines.push(`  ${name} ${each.toFixed(1)}`);
  }
  console.log(`${title}: ${total.toFixed(1)} bytes a message`);
  console.log(lines.join('\n'));
  const { events } = stores;
  console.log(`  pdu ${timeOf((nid) => events.pdu(nid))}, unsealed ${timeOf((nid) => events.unsealed(nid))},`);
  console.log(`  bare ${timeOf((nid) => events.bare(nid))}, canonical ${timeOf((nid) => events.canonical(nid))}`);
}

report('raw');
const start = performance.now();
while (stores.bodyPacker.packSome(200) > 0);
console.log(`packing: ${(((performance.now() - start) / nids.length) * 1000).toFixed(0)} µs an event`);
while (db.vacuumSome(1000) > 0);
report('packed');
const raw = db.prepare<[], { raw: number }>('SELECT count(*) AS raw FROM event_body WHERE format = 0').get();
console.log(`bodies left raw: ${raw?.raw}`);
