import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, mock } from 'node:test';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import { type Spool, type SpooledEvent, spoolParts } from '../../../src/store/spool/spool.ts';
import { SpoolFolder } from '../../../src/store/spool/spool-folder.ts';
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

/** Takes everything that becomes ready; answers the order. */
function drain(spool: Spool, atOnce: number): string[] {
  const order: string[] = [];
  for (let ready = spool.ready(atOnce); ready.length > 0; ready = spool.ready(atOnce)) {
    for (const { nid, eventId } of ready) {
      order.push(eventId);
      spool.settle(nid, 'taken', nid as EventNid);
      let after: number | undefined = 0;
      while (after !== undefined) after = spool.free(eventId, after, 3);
    }
  }
  return order;
}

describe('a spool', () => {
  it('hands events out behind all that they cite, and keeps back those of a circle or with a gap', () => {
    using folder = tempFolder();
    const spools = new SpoolFolder(folder.path);
    const graph = fc.array(fc.array(fc.nat(14), { maxLength: 4 }), { maxLength: 12 });
    fc.assert(
      fc.property(graph, fc.integer({ min: 1, max: 5 }), (cites, atOnce) => {
        using spool = spools.create();
        for (const [name, cited] of cites.entries()) spool.put(event(name, cited));
        const order = drain(spool, atOnce);
        for (const [at, eventId] of order.entries()) {
          const name = cites.findIndex((_, index) => id(index) === eventId);
          for (const cited of cites[name] ?? []) assert.ok(order.indexOf(id(cited)) < at, `${name} cites ${cited}`);
        }
        // What was kept back cites, by and by, something that is not here or itself.
        for (const [name, cited] of cites.entries()) {
          if (!order.includes(id(name))) assert.ok(cited.some((other) => !order.includes(id(other))));
        }
        assert.equal(spool.left, cites.length - order.length);
      }),
      { seed: 3, numRuns: 150 },
    );
  });

  it('goes on where what is cited is known elsewhere', () => {
    using folder = tempFolder();
    using spool = new SpoolFolder(folder.path).create();
    spool.put(event(1, [7, 8]));
    spool.put(event(2, [1, 7]));
    assert.deepEqual(spool.outside('', 1), [id(7)]);
    assert.deepEqual(spool.outside(id(7), 5), [id(8)]);
    assert.deepEqual(drain(spool, 5), []);
    for (const known of [7, 8]) spool.free(id(known), 0, 10);
    assert.deepEqual(drain(spool, 5), [id(1), id(2)]);
  });

  it('keeps an event once, and says when the state has two for one key', () => {
    using folder = tempFolder();
    using spool = new SpoolFolder(folder.path).create();
    const part = spoolParts.state;
    assert.ok(spool.put(event(1, [])));
    assert.ok(spool.put(event(1, [], { part })));
    assert.ok(spool.put(event(1, [], { part })));
    assert.ok(!spool.put(event(2, [], { part, stateKey: '1' })));
    drain(spool, 5);
    assert.equal(spool.entry('m.room.member', '1')?.eventId, id(1));
    assert.deepEqual(spool.signers({ server: '', keyId: '' }, 5), [{ server: 'x', keyId: 'ed25519:1', ts: 2 }]);
  });

  it('reads by an index', () => {
    using folder = tempFolder();
    const recording = mock.method(Sqlite.prototype, 'prepare');
    using spool = new SpoolFolder(folder.path).create();
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

  it('is gone when it is done with, and with the next start', () => {
    using folder = tempFolder();
    const path = join(folder.path, 'spool');
    const spools = new SpoolFolder(folder.path);
    {
      using spool = spools.create();
      spool.put(event(1, []));
      assert.equal(readdirSync(path).length, 1);
    }
    assert.deepEqual(readdirSync(path), []);
    const left = spools.create();
    new SpoolFolder(folder.path);
    assert.ok(!existsSync(path));
    left[Symbol.dispose]();
  });
});
