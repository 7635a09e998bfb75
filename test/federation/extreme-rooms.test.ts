import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Extreme, goToExtremes } from '../support/giant/extreme.ts';

/** For all of the process: the least that anybody runs a server on. */
const limitMib = 256;
const few = { members: 10, servers: 5, version: '10' } as const;

/** Small ones of each; those of full size are in the benchmarks. */
const rooms: readonly (readonly [what: string, Extreme])[] = [
  ['with a thousand members', { ...few, members: 1000, servers: 50 }],
  ['with hundreds of bans', { ...few, odd: { kind: 'bans', count: 500 } }],
  ['with hundreds of power levels behind each other', { ...few, odd: { kind: 'power', count: 300 } }],
  ['with a thousand types of state that nobody knows', { ...few, odd: { kind: 'types', count: 1000 } }],
  ['with state events of 64 KB', { ...few, odd: { kind: 'large', count: 60 } }],
  ['with hundreds of ends', { ...few, forks: 300 }],
];

describe('a server with 256 MB', () => {
  for (const [what, room] of rooms) {
    it(`joins a room ${what}, and messages go both ways`, async () => {
      const outcome = await goToExtremes(room, { limitMib });
      assert.equal(outcome.status, 200, JSON.stringify(outcome.answer));
      assert.equal(outcome.killed, false, outcome.log);
      assert.equal(outcome.members, room.members + 1);
      assert.deepEqual([outcome.seen, outcome.serversTold], [true, room.servers]);
      assert.ok(outcome.prevEvents <= 20, `our message cites ${outcome.prevEvents} events`);
    });
  }

  for (const hasNotary of [true, false]) {
    const who = hasNotary ? '' : ', with no notary,';
    it(`joins a room half of whose servers never answer${who} and tells the others`, async () => {
      const outcome = await goToExtremes({ ...few, members: 80, servers: 40, silentFrom: 20, hasNotary }, { limitMib });
      assert.equal(outcome.status, 200, JSON.stringify(outcome.answer));
      assert.deepEqual([outcome.killed, outcome.seen, outcome.serversTold], [false, true, 20]);
      // Whose servers do not say how they sign cannot be known to be there.
      assert.equal(outcome.members, 41);
    });
  }

  const refusals: readonly (readonly [what: string, Extreme, toml: string, limit: string, sentence: RegExp])[] = [
    [
      'has too many state events',
      { ...few, odd: { kind: 'types', count: 1000 } },
      'max_state_events = 500',
      'max_state_events',
      /^The join was stopped, because the room is too large for this server: it has [\d,]+ state events, and at most 500 are allowed here\. Nothing of it was kept\./,
    ],
    [
      'is too large on disk, although it has few events',
      { ...few, odd: { kind: 'large', count: 60 } },
      'max_disk_mb = 1',
      'max_disk_mb',
      /it has [\d.]+ MB on disk, and at most 1 MB are allowed here/,
    ],
    [
      'has too many members',
      { ...few, members: 1000, servers: 50 },
      'max_members = 300',
      'max_members',
      /it has [\d,]+ members, and at most 300 are allowed here/,
    ],
  ];
  for (const [what, room, toml, limit, sentence] of refusals) {
    it(`refuses a room that ${what}, with a sentence and fields`, async () => {
      const { status, answer, killed } = await goToExtremes(room, { limitMib, toml: `[limits.room]\n${toml}\n` });
      assert.equal(killed, false);
      assert.equal(status, 403);
      assert.equal(answer['errcode'], 'M_RESOURCE_LIMIT_EXCEEDED');
      assert.match(JSON.stringify(answer['error']).slice(1, -1), sentence);
      assert.equal(answer['limit'], limit);
      assert.ok(Number(answer['value']) > Number(answer['allowed']));
    });
  }
});
