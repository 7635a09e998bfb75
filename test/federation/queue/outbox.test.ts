import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Edu, EduSource } from '../../../src/federation/queue/edu-source.ts';
import type { ServerNid, StreamPos } from '../../../src/store/nids.ts';
import { OutboxRig } from '../../support/federation/outbox-rig.ts';

const numbered = (from: number, to: number, prefix = 'm') =>
  Array.from({ length: to - from + 1 }, (_, index) => `${prefix}${from + index}`);
const serverNames = (count: number) => Array.from({ length: count }, (_, index) => `s${index}.test`);
const minute = 60_000;
const day = 24 * 60 * minute;

describe('what other servers are told', () => {
  it('is each event of our users, in order, once, to each server in its room', async () => {
    await using rig = OutboxRig.open();
    const one = rig.room('one', ['a.test', 'b.test']);
    const two = rig.room('two', ['b.test', 'c.test']);
    one.say('1');
    two.say('2');
    one.say('3');
    await rig.settle();
    two.say('4');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), ['1', '3']);
    assert.deepEqual(rig.heard('b.test'), ['1', '2', '3', '4']);
    assert.deepEqual(rig.heard('c.test'), ['2', '4']);
    assert.equal(rig.mostToOne, 1, 'one transaction at a time for each server');
    assert.deepEqual(rig.rows(), []);
    assert.ok(!rig.begun.some(({ to }) => to === 'localhost'));
  });

  it('is not what other servers say, nor what happens in rooms where nobody else is', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('shared', ['a.test', 'b.test']);
    const alone = rig.room('alone', []);
    room.from('@them:a.test', 'theirs');
    alone.say('for us');
    await rig.settle();
    assert.deepEqual(rig.begun, []);
    assert.deepEqual(rig.store.stores.outgoing.span(0 as StreamPos, 1e9 as StreamPos, 10), []);
  });

  it('comes in transactions of at most 50 events, in their canonical form', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('room', ['a.test']);
    const bodies = numbered(1, 120);
    const events = room.say(...bodies);
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), bodies);
    assert.deepEqual(
      rig.taken.map(({ pdus }) => pdus.length),
      [50, 50, 20],
    );
    const canonical = events.map(({ nid }) => JSON.parse(rig.store.stores.events.canonical(nid)));
    assert.deepEqual(
      rig.taken.flatMap(({ pdus }) => pdus),
      canonical,
    );
  });

  it('comes in transactions of bounded size', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('room', ['a.test']);
    const bodies = numbered(1, 12).map((body) => body + 'x'.repeat(60_000));
    room.say(...bodies);
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), bodies);
    assert.deepEqual(
      rig.taken.map(({ pdus }) => pdus.length),
      [4, 4, 4],
    );
  });

  it('includes the removal of its own last user, and nothing after that', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('room', ['a.test', 'b.test']);
    room.say('before');
    room.member('@them:a.test', 'ban', '@us:localhost');
    room.say('after');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), ['before', 'ban']);
    assert.deepEqual(rig.heard('b.test'), ['before', 'ban', 'after']);
  });

  it('includes that an invite or a knock of its user is over, but no ban of a stranger', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('room', ['a.test']);
    room.member('@guest:b.test', 'invite', '@us:localhost');
    room.member('@guest:b.test', 'leave', '@us:localhost');
    room.member('@keen:c.test', 'knock');
    room.member('@keen:c.test', 'ban', '@us:localhost');
    room.member('@stranger:d.test', 'ban', '@us:localhost');
    await rig.settle();
    assert.deepEqual(rig.heard('b.test'), ['leave']);
    assert.deepEqual(rig.heard('c.test'), ['ban']);
    assert.deepEqual(rig.heard('d.test'), []);
    assert.deepEqual(rig.heard('a.test'), ['invite', 'leave', 'ban', 'ban']);
  });

  it('reaches nobody whom the configuration forbids', async () => {
    await using rig = OutboxRig.open();
    rig.forbidden.add('a.test');
    rig.room('room', ['a.test', 'b.test']).say('1');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), []);
    assert.deepEqual(rig.heard('b.test'), ['1']);
    assert.deepEqual(rig.rows(), []);
  });
});

describe('a room of many servers', () => {
  it('is told with a bounded number of transactions in flight, and without a row for any', async () => {
    await using rig = OutboxRig.open();
    const names = serverNames(200);
    const room = rig.room('room', names);
    room.say('1', '2');
    await rig.settle();
    for (const name of names) assert.deepEqual(rig.heard(name), ['1', '2'], name);
    assert.equal(rig.begun.length, 200);
    assert.equal(rig.most, 16);
    assert.deepEqual(rig.rows(), []);
  });

  it('does not hold up another room', async () => {
    await using rig = OutboxRig.open();
    let answer: (answer: 'ok') => void = () => {};
    const later = new Promise<'ok'>((resolve) => (answer = resolve));
    for (const name of serverNames(100)) rig.answers.set(name, later);
    const big = rig.room('big', serverNames(100));
    const small = rig.room('small', ['quick.test', 's99.test']);
    big.say('big');
    await rig.settle();
    assert.equal(rig.begun.length, 16);
    small.say('small');
    rig.store.clock.advance(1000);
    await rig.settle();
    assert.deepEqual(rig.heard('quick.test'), ['small']);
    answer('ok');
    await rig.settle();
    assert.deepEqual(rig.heard('s99.test'), ['big', 'small'], 'in order');
    for (const name of serverNames(99)) assert.deepEqual(rig.heard(name), ['big'], name);
    small.say('again');
    await rig.settle();
    assert.deepEqual(rig.heard('quick.test'), ['small', 'again']);
    assert.deepEqual(rig.heard('s99.test'), ['big', 'small', 'again']);
    assert.deepEqual(rig.rows(), []);
  });

  it('half of which is dead does not hold up the living half', async () => {
    await using rig = OutboxRig.open();
    const names = serverNames(60);
    for (const name of names.slice(0, 40)) rig.answers.set(name, 'silence');
    rig.room('room', names).say('1');
    for (let passed = 0; passed < 12_000; passed += 1000) {
      await rig.settle();
      rig.store.clock.advance(1000);
    }
    await rig.settle();
    for (const name of names.slice(40)) assert.deepEqual(rig.heard(name), ['1'], name);
    assert.deepEqual(rig.rows().sort(), names.slice(0, 40).sort());
    assert.ok(rig.most <= 32, String(rig.most));
  });
});

describe('a server that does not take what it is told', () => {
  it('costs a message nothing while it is left alone', async () => {
    const statements = async (dead: number): Promise<number> => {
      await using rig = OutboxRig.open();
      const names = Array.from({ length: dead }, (_, index) => `dead${index}.test`);
      const room = rig.room('room', ['a.test', ...names]);
      for (const name of names) rig.answers.set(name, 'fails');
      room.say('hello');
      await rig.settle();
      assert.equal(rig.rows().length, dead);
      let asked = 0;
      rig.store.db.timeQueries(() => asked++);
      room.say('once more');
      await rig.settle();
      rig.store.db.timeQueries(undefined);
      assert.deepEqual(rig.heard('a.test').slice(-1), ['once more']);
      return asked;
    };
    // Servers are read in pages of 64.
    assert.ok((await statements(330)) - (await statements(10)) <= 5 * 4);
  });

  it('is tried again ever more rarely, while others are told', async () => {
    await using rig = OutboxRig.open();
    rig.answers.set('dead.test', 'fails');
    const room = rig.room('room', ['dead.test', 'alive.test']);
    room.say('1');
    await rig.settle();
    room.say('2');
    await rig.settle();
    const tries = () => rig.begun.filter(({ to }) => to === 'dead.test').length;
    assert.equal(tries(), 1);
    assert.deepEqual(rig.heard('alive.test'), ['1', '2']);
    const waits: number[] = [];
    for (let passed = 0; waits.length < 4; passed += minute) {
      const before = tries();
      rig.store.clock.advance(minute);
      await rig.settle();
      if (tries() > before) waits.push((passed + minute) / minute);
    }
    assert.deepEqual(waits, [1, 3, 7, 15]);
    assert.deepEqual(rig.rows(), ['dead.test']);
  });

  it('gets the same transaction again under the same ID, and then what came after', async () => {
    await using rig = OutboxRig.open();
    rig.answers.set('a.test', 'fails');
    const room = rig.room('room', ['a.test', 'b.test']);
    room.say('1');
    await rig.settle();
    room.say('2', '3');
    await rig.settle();
    rig.cameBack('a.test');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), ['1', '2', '3']);
    const ids = rig.begun.filter(({ to }) => to === 'a.test').map(({ txnId }) => txnId);
    assert.equal(ids.length, 3);
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[1], ids[2]);
    room.say('4');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), ['1', '2', '3', '4']);
    assert.deepEqual(rig.rows(), [], 'it keeps up again');
  });

  it('that was away for long hears of each room what matters, not everything', async () => {
    await using rig = OutboxRig.open();
    rig.answers.set('a.test', 'fails');
    const rooms = ['x', 'y', 'z'].map((name) => ({ name, room: rig.room(name, ['a.test', 'b.test']) }));
    for (let round = 0; round < 35; round++) {
      for (const { name, room } of rooms) room.say(...numbered(round * 10 + 1, round * 10 + 10, name));
      await rig.settle();
    }
    assert.equal(rig.heard('b.test').length, 1050);
    rig.cameBack('a.test');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), ['x350', 'y350', 'z350']);
    rooms[0]?.room.say('next');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test').slice(3), ['next']);
    assert.deepEqual(rig.rows(), []);
  });

  it('and was removed meanwhile hears of that', async () => {
    await using rig = OutboxRig.open();
    rig.answers.set('a.test', 'fails');
    const room = rig.room('room', ['a.test', 'b.test']);
    const other = rig.room('other', ['a.test']);
    room.member('@guest:a.test', 'invite', '@us:localhost');
    await rig.settle();
    other.say(...numbered(1, 60));
    room.member('@them:a.test', 'leave', '@us:localhost');
    room.member('@guest:a.test', 'leave', '@us:localhost');
    room.say('without them');
    await rig.settle();
    rig.cameBack('a.test');
    await rig.settle();
    assert.deepEqual(rig.heard('a.test').sort(), ['leave', 'leave', 'm60']);
    assert.deepEqual(rig.rows(), []);
  });
});

describe('what is kept of events', () => {
  const kept = (rig: OutboxRig) => rig.store.stores.outgoing.span(0 as StreamPos, 1e12 as StreamPos, 10_000).length;

  it('is forgotten once everybody has them', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('room', ['a.test', 'b.test']);
    for (let round = 0; round < 120; round++) {
      room.say('1', '2');
      await rig.settle();
    }
    assert.ok(kept(rig) <= 100, String(kept(rig)));
    assert.equal(rig.heard('a.test').length, 240);
  });

  it('is bounded while somebody is away for good', async () => {
    await using rig = OutboxRig.open();
    rig.answers.set('dead.test', 'fails');
    const room = rig.room('room', ['dead.test', 'b.test']);
    for (let round = 0; round < 12; round++) {
      room.say(...numbered(round * 500 + 1, round * 500 + 500));
      await rig.settle();
    }
    assert.equal(rig.heard('b.test').length, 6000);
    assert.ok(kept(rig) < 6000, String(kept(rig)));
    assert.ok(kept(rig) >= 5000, String(kept(rig)));
    rig.cameBack('dead.test');
    await rig.settle();
    assert.deepEqual(rig.heard('dead.test'), ['m6000']);
  });
});

describe('a restart', () => {
  it('repeats what was under way under the same ID, and loses nothing', async () => {
    await using rig = OutboxRig.open();
    const names = serverNames(100);
    const room = rig.room('room', names);
    for (const name of names.slice(0, 70)) rig.answers.set(name, 'ok');
    for (const name of names.slice(70)) rig.answers.set(name, 'silence');
    room.say('1');
    await rig.settle();
    const before = [...rig.begun];
    await rig.stop();
    rig.answers.clear();
    rig.start();
    await rig.settle();
    for (const name of names) assert.deepEqual(new Set(rig.heard(name)), new Set(['1']), name);
    const again = rig.begun.slice(before.length);
    assert.ok(again.length <= 100 - 70 + 64, `${again.length} again`);
    assert.deepEqual(new Set(rig.begun.map(({ txnId }) => txnId)).size, 1);
    assert.deepEqual(rig.rows(), []);
  });

  it('leaves a server alone that was to be left alone', async () => {
    await using rig = OutboxRig.open();
    rig.answers.set('a.test', 'fails');
    rig.room('room', ['a.test']).say('1');
    await rig.settle();
    await rig.stop();
    rig.start();
    await rig.settle();
    assert.equal(rig.begun.length, 1);
    rig.answers.clear();
    rig.store.clock.advance(2 * minute);
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), ['1']);
    assert.equal(rig.begun[0]?.txnId, rig.begun[1]?.txnId);
  });
});

/** Rows in memory: who is to get what, at which position. */
class Rows implements EduSource {
  readonly rows: { server: ServerNid; pos: StreamPos; edu: Edu }[] = [];

  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[] {
    const found = this.#within(from, to).map(({ server }) => server);
    return [...new Set(found)]
      .filter((server) => server > after)
      .sort((a, b) => a - b)
      .slice(0, limit);
  }

  read(server: ServerNid, from: StreamPos, to: StreamPos, limit: number) {
    const mine = this.#within(from, to).filter((row) => row.server === server);
    const page = mine.slice(0, limit);
    const last = page.at(-1);
    return { edus: page.map(({ edu }) => edu), upTo: mine.length > limit && last !== undefined ? last.pos : to };
  }

  delivered(server: ServerNid, upTo: StreamPos): void {
    for (let index = this.rows.length - 1; index >= 0; index--) {
      const row = this.rows[index];
      if (row?.server === server && row.pos <= upTo) this.rows.splice(index, 1);
    }
  }

  #within(from: StreamPos, to: StreamPos) {
    return this.rows.filter(({ pos }) => pos > from && pos <= to);
  }
}

describe('what sources add', () => {
  it('comes in order, at most 100 at a time, and goes once it is delivered', async () => {
    const [first, second] = [new Rows(), new Rows()];
    await using rig = OutboxRig.open(() => [first, second]);
    const room = rig.room('room', ['a.test', 'b.test']);
    const server = rig.server('a.test');
    const { db, streams } = rig.store;
    db.write<void>(() => {
      for (let index = 0; index < 150; index++) {
        first.rows.push({ server, pos: streams.next(), edu: { edu_type: `first${index}`, content: {} } });
        second.rows.push({ server, pos: streams.next(), edu: { edu_type: `second${index}`, content: {} } });
      }
    });
    room.say('1');
    await rig.settle();
    const heard = rig.heard('a.test');
    assert.deepEqual(
      heard.filter((word) => word.startsWith('first')),
      numbered(0, 149, 'first'),
    );
    assert.deepEqual(
      heard.filter((word) => word.startsWith('second')),
      numbered(0, 149, 'second'),
    );
    assert.deepEqual(heard.filter((word) => word === '1').length, 1);
    assert.ok(rig.taken.every(({ edus }) => edus.length <= 100));
    assert.deepEqual([...first.rows, ...second.rows], []);
    assert.deepEqual(rig.heard('b.test'), ['1']);
  });

  it('waits for a server that is away, however long', async () => {
    const source = new Rows();
    await using rig = OutboxRig.open(() => [source]);
    rig.answers.set('a.test', 'fails');
    const room = rig.room('room', ['a.test']);
    const server = rig.server('a.test');
    const { db, streams, clock } = rig.store;
    for (let index = 0; index < 3; index++) {
      db.write<void>(() => {
        source.rows.push({ server, pos: streams.next(), edu: { edu_type: `e${index}`, content: {} } });
      });
      room.say(...numbered(1, 40));
      await rig.settle();
      clock.advance(day);
      await rig.settle();
    }
    assert.equal(source.rows.length, 3);
    rig.cameBack('a.test');
    await rig.settle();
    assert.deepEqual(
      rig.heard('a.test').filter((word) => word.startsWith('e')),
      ['e0', 'e1', 'e2'],
    );
    assert.deepEqual(source.rows, []);
  });
});

describe('what is told now or never', () => {
  it('reaches the servers of the room, the newest of each user only', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('room', ['a.test', 'b.test']);
    rig.room('other', ['c.test']);
    const typing = (user: string, isTyping: boolean) => ({
      edu_type: 'm.typing',
      content: { room_id: '!room:localhost', user_id: user, typing: isTyping },
    });
    rig.outbox.ephemeral(room.nid, typing('@us:localhost', true));
    rig.outbox.ephemeral(room.nid, typing('@us:localhost', false));
    rig.outbox.ephemeral(room.nid, typing('@we:localhost', true));
    await rig.settle();
    for (const name of ['a.test', 'b.test']) {
      const edus = rig.taken.filter(({ to }) => to === name).flatMap((sent) => sent.edus);
      assert.deepEqual(edus, [typing('@us:localhost', false), typing('@we:localhost', true)], name);
    }
    assert.deepEqual(rig.heard('c.test'), []);
  });

  it('is not told to a server that comes back later', async () => {
    await using rig = OutboxRig.open();
    rig.answers.set('a.test', 'fails');
    const room = rig.room('room', ['a.test']);
    rig.outbox.ephemeral(room.nid, { edu_type: 'm.typing', content: { user_id: '@us:localhost' } });
    await rig.settle();
    rig.answers.clear();
    rig.store.clock.advance(2 * minute);
    await rig.settle();
    assert.deepEqual(rig.heard('a.test'), []);
    assert.deepEqual(rig.rows(), []);
  });
});
