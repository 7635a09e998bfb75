import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Excess,
  estimateWords,
  excesses,
  excessWords,
  measuredOf,
  type RoomLimitSettings,
} from '../../src/governor/room-limits.ts';
import { agreedOn, estimateRoom, type Figure, paceFrom, type RoomFacts } from '../../src/governor/room-model.ts';

const pace = { msPerStateEvent: 0.7, from: 0 };
const told = (value: number): Figure => ({ value, sure: 'told' });

describe('the estimate of a room', () => {
  it('is none if nothing is known of its size', () => {
    assert.equal(estimateRoom({}, pace), undefined);
    assert.equal(estimateRoom({ servers: told(5), messagesPerDay: told(7) }, pace), undefined);
  });

  it('is said in words, of one as of many, and with what is guessed', () => {
    const one = estimateRoom(
      { members: told(1), servers: told(1), stateEvents: told(7), messagesPerDay: told(1) },
      pace,
    );
    assert.match(
      one ? estimateWords(one) : '',
      /^1 member on 1 server, 7 state events, .* about 1 second to .*, 1 message a day$/,
    );
    const many = estimateRoom({ members: told(1000), stateEvents: told(1005) }, pace);
    assert.match(many ? estimateWords(many) : '', /^1,000 members on about 178 servers, .* about 126 messages a day$/);
  });

  /** What is told, and members, servers, state events, MB, minutes, messages a day that follow. */
  const cases: [what: string, RoomFacts, number[]][] = [
    ['of a family', { members: told(4), stateEvents: told(15) }, [4, 3, 15, 0.0091, 0.00517, 3]],
    ['of a thousand', { members: told(1000), stateEvents: told(1005) }, [1000, 178, 1005, 0.761, 0.0167, 126]],
    [
      'with all told',
      { members: told(40_000), servers: told(500), stateEvents: told(40_006), messagesPerDay: told(90) },
      [40_000, 500, 40_006, 30.4, 0.472, 90],
    ],
    ['from members alone', { members: told(1000) }, [1000, 178, 1258, 0.896, 0.0197, 126]],
    ['from state events alone', { stateEvents: told(1258) }, [1000, 178, 1258, 0.896, 0.0197, 126]],
    ['of nobody at all', { members: told(0) }, [0, 1, 8, 0.00614, 0.00509, 0]],
  ];
  for (const [what, facts, [members, servers, stateEvents, diskMb, joinMinutes, messagesPerDay]] of cases) {
    it(`${what} has figures in units that people know`, () => {
      const estimate = estimateRoom(facts, pace);
      assert.ok(estimate);
      const values = Object.fromEntries(Object.entries(estimate).map(([key, { value }]) => [key, value]));
      assert.deepEqual(values, { members, servers, stateEvents, diskMb, joinMinutes, messagesPerDay });
    });
  }

  it('says how sure each figure is', () => {
    const estimate = estimateRoom({ members: told(9), stateEvents: { value: 20, sure: 'counted' } }, pace);
    assert.equal(estimate?.members.sure, 'told');
    assert.equal(estimate?.stateEvents.sure, 'counted');
    assert.equal(estimate?.servers.sure, 'guessed');
  });

  /** Joined members, state events, and by how many bytes `hearth.db` has grown, measured by joining such rooms. */
  const measured = [
    [10, 16, 8192],
    [20, 26, 24_576],
    [50, 56, 49_152],
    [50, 256, 131_072],
    [100, 606, 287_000],
    [200, 206, 143_360],
    [500, 2506, 1_331_000],
    [1000, 1006, 770_000],
    [1500, 4506, 2_396_000],
    [5000, 5006, 3_883_000],
    [5000, 15_006, 8_565_000],
    [10_000, 10_006, 7_180_000],
  ] as const;
  for (const [members, states, bytes] of measured) {
    it(`is within a factor 1.5 of what a room of ${members} members and ${states} state events took on disk`, () => {
      const facts = { members: told(members), stateEvents: told(states) };
      const mb = estimateRoom(facts, pace)?.diskMb.value ?? 0;
      const ratio = (mb * 1e6) / bytes;
      assert.ok(ratio < 1.5 && ratio > 1 / 1.5, `${ratio}`);
    });
  }
});

describe('the pace of a board', () => {
  it('is what is assumed while nothing was joined', () => {
    assert.deepEqual(paceFrom([], 2), { msPerStateEvent: 2, from: 0 });
  });

  it('follows its own joins, the large ones more than the small', () => {
    assert.deepEqual(paceFrom([{ events: 500, ms: 2000 }], 2), { msPerStateEvent: 3, from: 500 });
    const { msPerStateEvent } = paceFrom([{ events: 99_500, ms: 398_000 }], 2);
    assert.ok(Math.abs(msPerStateEvent - 3.99) < 1e-9);
  });
});

describe('what several servers tell of one number', () => {
  const cases: [number[], number | undefined][] = [
    [[], undefined],
    [[7], 7],
    [[7, 9], 9],
    [[1e9, 7, 8], 8],
    [[0, 7, 8], 7],
    [[Number.NaN, -1, 5], 5],
  ];
  for (const [numbers, agreed] of cases) {
    it(`${JSON.stringify(numbers)} is ${agreed}`, () => assert.equal(agreedOn(numbers), agreed));
  }
});

describe('limits on rooms', () => {
  const limits: RoomLimitSettings = {
    maxMembers: 100,
    maxServers: 10,
    maxStateEvents: 200,
    maxDiskMb: 1,
    maxJoinMinutes: 5,
    whenOutgrown: 'warn',
  };
  const cases: [string, Parameters<typeof excesses>[0], Excess[], string][] = [
    [
      'members',
      { members: 101 },
      [{ limit: 'max_members', allowed: 100, value: 101 }],
      '101 members, and at most 100 are allowed here',
    ],
    [
      'servers',
      { servers: 1234 },
      [{ limit: 'max_servers', allowed: 10, value: 1234 }],
      '1,234 servers, and at most 10 are allowed here',
    ],
    [
      'state events',
      { stateEvents: 201 },
      [{ limit: 'max_state_events', allowed: 200, value: 201 }],
      '201 state events, and at most 200 are allowed here',
    ],
    [
      'disk',
      { diskMb: 1.5 },
      [{ limit: 'max_disk_mb', allowed: 1, value: 1.5 }],
      '1.5 MB on disk, and at most 1 MB are allowed here',
    ],
    [
      'time',
      { joinMinutes: 6 },
      [{ limit: 'max_join_minutes', allowed: 5, value: 6 }],
      '6 minutes to take it in, and at most 5 are allowed here',
    ],
  ];
  for (const [what, measured, expected, words] of cases) {
    it(`name what is above them: ${what}`, () => {
      assert.deepEqual(excesses(measured, limits), expected);
      assert.equal(expected.map(excessWords).join(), words);
    });
  }

  it('hold for nothing that is as large as they say, or not known', () => {
    assert.deepEqual(excesses({ members: 100, servers: 10, stateEvents: 200, diskMb: 1, joinMinutes: 5 }, limits), []);
    assert.deepEqual(excesses({}, limits), []);
  });

  it('do not hold a number of servers against a room that nobody told', () => {
    const estimate = estimateRoom({ members: told(90), stateEvents: told(150) }, pace);
    assert.ok(estimate && estimate.servers.value > limits.maxServers);
    assert.deepEqual(excesses(measuredOf(estimate), limits), []);
  });
});
