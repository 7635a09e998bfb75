import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, mock } from 'node:test';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import { Spool, type SpooledEvent, spoolParts } from '../../../src/store/spool/spool.ts';
import { SpoolFolder } from '../../../src/store/spool/spool-folder.ts';
import { progressFile } from '../../../src/store/spool/spool-schema.ts';
import { millis } from '../../../src/util/brand.ts';
import { tempFolder } from '../../support/store.ts';

const id = (name: string | number) => asEventId(`$${name}:x`);

function event(name: number, cites: readonly number[], more: Partial<SpooledEvent> = {}): SpooledEvent {
  return {
    eventId: id(name),
    part: spoolParts.authChain,
    authEvents: cites.map(id),
    type: 'm.room.member',
    stateKey: `${name}`,
    signers: [{ server: asServerName('x'), keyIds: [asKeyId('ed25519:1')] }],
    ts: millis(name),
    body: Buffer.from(`{"n":${name}}`),
    ...more,
  };
}

/** A spool in a folder of its own. */
function openSpool() {
  const folder = tempFolder();
  const place = new SpoolFolder(folder.path).create();
  const spool = new Spool(place.file);
  return {
    spool,
    [Symbol.dispose]() {
      spool[Symbol.dispose]();
      place[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Takes everything that becomes ready; answers the order. */
function drain(spool: Spool, atOnce: number, maxBytes = 1000, onlyUrgent = false): number[] {
  const order: number[] = [];
  const next = () => spool.ready(atOnce, maxBytes, onlyUrgent);
  for (let ready = next(); ready.length > 0; ready = next()) {
    for (const { nid, body } of ready) {
      order.push((JSON.parse(body.toString()) as { n: number }).n);
      spool.settle([{ nid, outcome: 'taken', event: nid as EventNid }]);
    }
  }
  return order;
}

describe('a spool', () => {
  it('hands out first what is urgent, with all that it cites', () => {
    using opened = openSpool();
    const { spool } = opened;
    const inState = { part: spoolParts.state };
    spool.put(event(1, []));
    spool.put(event(2, [1], inState));
    spool.put(event(3, [1], { ...inState, type: 'm.room.topic', stateKey: '' }));
    spool.put(
      event(4, [1, 5], { ...inState, signers: [{ server: asServerName('y'), keyIds: [asKeyId('ed25519:1')] }] }),
    );
    spool.put(event(5, [1]));
    spool.put(event(6, [], inState));
    spool.urgency.urge([id(4), id('nowhere'), id(3)]);
    const cites: Record<number, number[]> = { 3: [1], 4: [1, 5], 5: [1] };
    const marked: number[] = [];
    for (let some = spool.urgency.next(2); some.length > 0; some = spool.urgency.next(2)) {
      for (const { nid, body } of some) {
        const name = (JSON.parse(body?.toString() ?? '') as { n: number }).n;
        marked.push(name);
        const signer = { server: asServerName(name === 4 ? 'y' : 'x'), keyIds: [asKeyId('ed25519:1')] };
        spool.urgency.looked(nid, (cites[name] ?? []).map(id), name === 3 ? [] : [signer]);
      }
    }
    assert.deepEqual(marked.sort(), [1, 3, 4, 5]);
    assert.deepEqual(drain(spool, 10, 1000, true), [1, 3, 5, 4]);
    assert.deepEqual(
      spool.signers.page(0, 9, true).map(({ server }) => server),
      ['x', 'y'],
    );
    assert.deepEqual(
      spool.waiting(0, 9).map(({ eventId }) => eventId),
      [id(2), id(6)],
    );
    assert.deepEqual(drain(spool, 10), [2, 6]);
  });

  it('knows each server that is in the room once', () => {
    using opened = openSpool();
    const { spool } = opened;
    for (const name of ['b', 'a', 'b']) spool.servers.add(asServerName(name));
    assert.deepEqual(
      spool.servers.page(0, 9).map(({ server }) => server),
      ['b', 'a'],
    );
    assert.deepEqual(
      spool.servers.page(1, 9).map(({ server }) => server),
      ['a'],
    );
  });

  it('asks for keys that it does not have', () => {
    using opened = openSpool();
    const { spool } = opened;
    spool.put(event(1, []));
    spool.signers.setKeys([{ nid: 1, key: Buffer.alloc(32), validUntil: 1 }]);
    assert.deepEqual(spool.signers.page(0, 9), []);
  });

  it('hands events out behind all that they cite, and keeps back those of a circle or with a gap', () => {
    const graph = fc.array(fc.array(fc.nat(14), { maxLength: 4 }), { maxLength: 12 });
    fc.assert(
      fc.property(graph, fc.integer({ min: 1, max: 5 }), (cites, atOnce) => {
        using opened = openSpool();
        const { spool } = opened;
        for (const [name, cited] of cites.entries()) spool.put(event(name, cited));
        const order = drain(spool, atOnce);
        for (const [at, name] of order.entries()) {
          for (const cited of cites[name] ?? []) assert.ok(order.indexOf(cited) < at, `${name} cites ${cited}`);
        }
        // What was kept back cites, by and by, something that is not here or itself.
        for (const [name, cited] of cites.entries()) {
          if (!order.includes(name)) assert.ok(cited.some((other) => !order.includes(other)));
        }
      }),
      { seed: 3, numRuns: 150 },
    );
  });

  it('goes on where what is cited is known elsewhere', () => {
    using opened = openSpool();
    const { spool } = opened;
    spool.put(event(1, [7, 8]));
    spool.put(event(2, [1, 7]));
    const [first] = spool.outside(0, 1);
    assert.equal(first?.eventId, id(7));
    const rest = spool.outside(first?.nid ?? 0, 5);
    assert.deepEqual(
      rest.map(({ eventId }) => eventId),
      [id(8)],
    );
    assert.deepEqual(drain(spool, 5), []);
    spool.known([first?.nid ?? 0, ...rest.map(({ nid }) => nid)]);
    assert.deepEqual(spool.outside(0, 5), []);
    assert.deepEqual(drain(spool, 5), [1, 2]);
  });

  it('hands out no more bytes than were asked for, but always one event', () => {
    using opened = openSpool();
    const { spool } = opened;
    for (const name of [1, 2, 3]) spool.put(event(name, [], { body: Buffer.from(JSON.stringify({ n: name })) }));
    const size = JSON.stringify({ n: 1 }).length;
    assert.equal(spool.ready(5, 2 * size).length, 2);
    assert.equal(spool.ready(5, 1).length, 1);
    assert.equal(spool.ready(5, 1).length, 0);
  });

  it('lets nothing go on behind what was dropped', () => {
    using opened = openSpool();
    const { spool } = opened;
    spool.put(event(1, []));
    spool.put(event(2, [1]));
    for (const { nid } of spool.ready(5, 1000)) spool.settle([{ nid, outcome: 'dropped' }]);
    assert.deepEqual(drain(spool, 5), []);
  });

  it('keeps an event once, and says when the state has two for one key', () => {
    using opened = openSpool();
    const { spool } = opened;
    const part = spoolParts.state;
    assert.ok(spool.put(event(1, [])));
    assert.ok(spool.put(event(1, [], { part })));
    assert.ok(spool.put(event(1, [], { part })));
    assert.ok(!spool.put(event(2, [], { part, stateKey: '1' })));
    drain(spool, 5);
    assert.equal(spool.entry('m.room.member', '1')?.eventId, id(1));
    assert.deepEqual(spool.signers.page(0, 5), [{ nid: 1, server: 'x', keyId: 'ed25519:1', ts: 2 }]);
    assert.deepEqual(spool.signers.page(1, 5), []);
  });

  it('reads by an index', () => {
    const recording = mock.method(Sqlite.prototype, 'prepare');
    using opened = openSpool();
    const { spool } = opened;
    spool.put(event(1, []));
    const texts = new Set(recording.mock.calls.map((call) => call.arguments[0]));
    const [connection] = recording.mock.calls.map((call) => call.this as Sqlite.Database);
    recording.mock.restore();
    assert.ok(texts.size >= 14);
    for (const sql of texts) {
      const values = [...sql.matchAll(/\?/g)].map(() => null);
      const plan = connection?.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...values) ?? [];
      const faults = plan.filter(({ detail }) => /^SCAN (?!json_each|CONSTANT)|TEMP B-TREE|AUTOMATIC/.test(detail));
      assert.deepEqual(faults, [], sql);
    }
  });

  it('that is complete is not changed by being taken over, and can be taken over again from its beginning', () => {
    using folder = tempFolder();
    using place = new SpoolFolder(folder.path).create();
    const take = (spool: Spool): number[] => {
      spool.urgency.urge([id(3)]);
      for (const { nid } of spool.urgency.next(9)) {
        spool.urgency.looked(nid, [id(1)], [{ server: asServerName('x'), keyIds: [asKeyId('ed25519:1')] }]);
      }
      assert.equal(spool.signers.page(0, 9).length, 1);
      spool.signers.setKeys([{ nid: 1, key: Buffer.alloc(32), validUntil: 1 }]);
      assert.deepEqual(spool.signers.page(0, 9), []);
      const outside = spool.outside(0, 9);
      assert.deepEqual(
        outside.map(({ eventId }) => eventId),
        [id(9)],
      );
      spool.known(outside.map(({ nid }) => nid));
      const order = drain(spool, 2);
      assert.equal(spool.state(0, 9).length, 2);
      return order;
    };
    const first = new Spool(place.file);
    const inState = { part: spoolParts.state };
    first.write(() => {
      first.put(event(4, [3, 9], inState));
      first.put(event(3, [1], inState));
      first.put(event(2, [1]));
      first.put(event(1, []));
    });
    const complete = readFileSync(place.file);
    const order = first.write(() => take(first));
    first[Symbol.dispose]();
    assert.deepEqual(order.toSorted(), [1, 2, 3, 4]);
    rmSync(progressFile(place.file));
    using again = new Spool(place.file, false);
    for (let after: number | undefined = 0; after !== undefined; ) after = again.beginAnew(after, 2);
    assert.deepEqual(
      again.write(() => take(again)),
      order,
    );
    assert.ok(readFileSync(place.file).equals(complete));
  });

  it('is gone when it is done with, and with the next start', () => {
    using folder = tempFolder();
    const path = join(folder.path, 'spool');
    const spools = new SpoolFolder(folder.path);
    {
      using place = spools.create();
      using spool = new Spool(place.file);
      spool.put(event(1, []));
      assert.equal(readdirSync(path).length, 2);
    }
    assert.deepEqual(readdirSync(path), []);
    using left = new Spool(spools.create().file);
    new SpoolFolder(folder.path);
    assert.ok(!existsSync(path));
    left.put(event(1, []));
  });
});
