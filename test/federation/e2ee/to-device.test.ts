import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TestDevice } from '../../support/clients/e2ee.ts';
import { Universe } from '../../support/servers/universe.ts';

const textsOf = (answer: { to_device?: { events: { content: { n: string } }[] } }) =>
  (answer.to_device?.events ?? []).map(({ content }) => content.n);

/** All that a device has not seen yet. */
async function received(universe: Universe, device: TestDevice, count: number): Promise<string[]> {
  const texts: string[] = [];
  await universe.until(async () => {
    texts.push(...textsOf(await device.sync()));
    universe.clock.advance(1000);
    return texts.length >= count;
  }, `${count} messages`);
  texts.push(...textsOf(await device.sync()));
  return texts;
}

describe('messages to devices of another server', () => {
  it('arrive once and in order for each sender, over cut lines and restarts', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const carol = await TestDevice.register(universe.world('a.test'), 'carol');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    await bob.sync();
    const expected: string[] = [];
    const send = async (who: TestDevice, from: number, to: number) => {
      for (let n = from; n < to; n++) {
        const text = `${who.deviceId} ${n}`;
        await who.send('m.test', `t${n}`, { [bob.userId]: { [bob.deviceId]: { n: text } } });
        expected.push(text);
      }
    };
    await send(alice, 0, 3);
    universe.cut('a.test', 'b.test');
    await send(alice, 3, 8);
    await send(carol, 0, 5);
    await universe.restart('a.test');
    universe.heal('a.test', 'b.test');
    universe.clock.advance(60 * 60_000);
    await send(alice, 8, 10);
    await universe.restart('b.test');
    const got = await received(universe, bob, expected.length);
    for (const who of [alice, carol]) {
      const own = (texts: readonly string[]) => texts.filter((text) => text.startsWith(who.deviceId));
      assert.deepEqual(own(got), own(expected));
    }
    assert.equal(got.length, expected.length);
  });

  it('arrive once and in order for each sender, over doubled and late transactions, lost answers, cuts and crashes', async () => {
    const step = fc.constantFrom('alice', 'alice', 'carol', 'carol', 'sync', 'lost', 'cut', 'heal', 'crash', 'restart');
    let doubled = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 30, size: 'max' }),
        fc.infiniteStream(fc.nat(5)),
        async (steps, fates) => {
          await using universe = await Universe.open(['a.test', 'b.test']);
          const { network, clock } = universe;
          const fate = () => fates.next().value as number;
          const isTransaction = ({ uri }: { uri: string }) => uri.includes('/v1/send/');
          // The second of two comes while the first is being worked on, or when others have come meanwhile.
          network.doubles = (call) => (isTransaction(call) && fate() < 2 ? (doubled++, fate() ** 3) : false);
          network.swallows = (call) => isTransaction(call) && fate() === 0;
          const senders = [
            await TestDevice.register(universe.world('a.test'), 'alice'),
            await TestDevice.register(universe.world('a.test'), 'carol'),
          ];
          const bob = await TestDevice.register(universe.world('b.test'), 'bob');
          const sent = new Map(senders.map(({ userId }) => [userId, 0]));
          const seen = new Map(senders.map(({ userId }) => [userId, [] as number[]]));
          const send = async (who: TestDevice) => {
            const n = sent.get(who.userId) ?? 0;
            const { status } = await who.send('m.test', `t${n}`, { [bob.userId]: { [bob.deviceId]: { n } } });
            assert.equal(status, 200);
            sent.set(who.userId, n + 1);
          };
          const receive = async () => {
            for (const { sender, content } of (await bob.sync()).to_device?.events ?? []) {
              seen.get(sender)?.push(content.n);
            }
          };
          for (const what of steps) {
            if (what === 'alice' || what === 'carol') await send(senders[what === 'alice' ? 0 : 1] as TestDevice);
            else if (what === 'sync') await receive();
            else if (what === 'lost') {
              const { since } = bob;
              await bob.sync();
              bob.since = since;
            } else if (what === 'cut') universe.cut('a.test', 'b.test');
            else if (what === 'heal') universe.heal('a.test', 'b.test');
            else if (what === 'crash') await universe.crash(fate() < 3 ? 'a.test' : 'b.test');
            else await universe.restart(fate() < 3 ? 'a.test' : 'b.test');
            clock.advance(60_000);
          }
          universe.heal('a.test', 'b.test');
          network.swallows = undefined;
          const count = (of: Iterable<number>) => [...of].reduce((sum, each) => sum + each, 0);
          const total = count(sent.values());
          await universe.until(async () => {
            clock.advance(60_000);
            await receive();
            return count([...seen.values()].map(({ length }) => length)) >= total;
          }, `${total} messages`);
          // What is still on its way for the second time comes, too.
          for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
          await receive();
          for (const [userId, numbers] of seen) {
            assert.deepEqual(
              numbers,
              Array.from({ length: sent.get(userId) ?? 0 }, (_, n) => n),
            );
          }
        },
      ),
      { seed: 9, numRuns: 5, endOnFailure: true },
    );
    assert.ok(doubled > 5, `${doubled}`);
  });

  it('go to all devices of a user under *, and a repeated txnId sends nothing again', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    const phone = await bob.sibling('PHONE');
    for (const device of [bob, phone]) await device.sync();
    for (const txn of ['t1', 't1', 't2']) {
      await alice.send('m.test', txn, { [bob.userId]: { '*': { n: txn }, NONE: { n: 'nobody' } } });
    }
    for (const device of [bob, phone]) assert.deepEqual(await received(universe, device, 2), ['t1', 't2']);
  });

  it('are not in one piece when they are many', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    const phone = await bob.sibling('PHONE');
    for (const device of [bob, phone]) await device.sync();
    const long = { n: 'x'.repeat(40_000) };
    await alice.send('m.test', 't', { [bob.userId]: { [bob.deviceId]: long, PHONE: long } });
    for (const device of [bob, phone]) assert.deepEqual(await received(universe, device, 1), [long.n]);
    const edus = universe.calls.flatMap(({ body }) => body?.edus ?? []).filter((edu) => edu.content.messages);
    assert.equal(new Set(edus.map(({ content }) => content.message_id)).size, 2);
  });

  it('are believed only of the server that their sender belongs to, and once', async () => {
    await using universe = await Universe.open(['a.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const evil = universe.script('evil.test');
    await alice.sync();
    const edu = (content: object) => ({
      edu_type: 'm.direct_to_device',
      content: { sender: '@x:evil.test', type: 'm.test', message_id: 'id', ...content } as never,
    });
    const messages = (n: unknown) => ({ messages: { [alice.userId]: { [alice.deviceId]: { n } } } });
    const bad = [
      edu({ message_id: '1', sender: '@x:good.test', ...messages('another server') }),
      edu({ message_id: '2', sender: alice.userId, ...messages('ours') }),
      edu({ message_id: '3', sender: 'x', ...messages('nobody') }),
      edu({ message_id: 4, ...messages('no text') }),
      edu({ message_id: 'i'.repeat(1000), ...messages('long id') }),
      edu({ message_id: '5', type: 7, ...messages('no type') }),
      edu({ message_id: '6', messages: { [alice.userId]: { [alice.deviceId]: 'text' } } }),
      edu({ message_id: '7', messages: { [alice.userId]: [] } }),
      edu({ message_id: '8', messages: 5 }),
      edu({ message_id: '9', ...messages('x'.repeat(70_000)) }),
      edu({ message_id: '10', messages: { '@alice:good.test': { [alice.deviceId]: { n: 'not ours' } } } }),
    ];
    await evil.send('a.test', [], bad);
    await evil.send('a.test', [], [edu(messages('one')), edu(messages('two'))] as never);
    await evil.send('a.test', [], [edu(messages('three')), edu({ message_id: 'other', ...messages('four') })] as never);
    assert.deepEqual(textsOf(await alice.sync()), ['one', 'four']);
  });

  it('are looked for up to a bound, whatever users a unit names', async () => {
    await using universe = await Universe.open(['a.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const evil = universe.script('evil.test');
    await alice.sync();
    const edu = (id: string, others: number) => ({
      edu_type: 'm.direct_to_device',
      content: {
        sender: '@x:evil.test',
        type: 'm.test',
        message_id: id,
        messages: {
          // Before alice in the order in which keys are sent.
          ...Object.fromEntries(Array.from({ length: others }, (_, i) => [`@a${i}:a.test`, { D: {} }])),
          [alice.userId]: { [alice.deviceId]: { n: id } },
        },
      },
    });
    await evil.send('a.test', [], [edu('one', 6000), edu('two', 1000)] as never);
    assert.deepEqual(textsOf(await alice.sync()), ['two']);
  });
});
