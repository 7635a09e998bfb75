import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rulesetContent } from '../../src/protocol/push-rules/ruleset.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../../src/store/nids.ts';
import { maxActions } from '../../src/store/push/push-counts.ts';
import { streamEnd } from '../../src/store/sync/positions.ts';
import { openTestStore } from '../support/store.ts';
import { openSyncWorld, type Person } from '../sync/sync-world.ts';

const mention = (person: Person) => ({ 'm.mentions': { user_ids: [person.userId] } });

describe('unread counts', () => {
  async function scene() {
    const world = openSyncWorld();
    const [alice, bob] = [world.person('alice', 1), world.person('bob', 2)];
    const room = await alice.createRoom();
    await bob.join(room);
    const nid = world.rooms.known.get(room).nid;
    const count = (person: Person) => {
      const rows = world.store.stores.pushCounts.unread(person.requester.user, nid);
      return [rows.reduce((sum, row) => sum + row.notify, 0), rows.reduce((sum, row) => sum + row.highlight, 0)];
    };
    return { world, alice, bob, room, count, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
  }

  it('rise with what notifies, never by own events, and fall when the user speaks', async () => {
    await using s = await scene();
    await s.alice.say(s.room, 'x');
    await s.alice.say(s.room, 'you', mention(s.bob));
    await s.alice.send(s.room, { msgtype: 'm.notice', body: 'quiet' });
    assert.deepEqual(
      [s.count(s.bob), s.count(s.alice)],
      [
        [2, 1],
        [0, 0],
      ],
    );
    await s.bob.say(s.room, 'yes?');
    assert.deepEqual(
      [s.count(s.bob), s.count(s.alice)],
      [
        [0, 0],
        [1, 0],
      ],
    );
  });

  it('lose the highlight of what is redacted', async () => {
    await using s = await scene();
    const said = await s.alice.say(s.room, 'you', mention(s.bob));
    await s.world.rooms.sending.redact(s.alice.requester, s.room, said, {});
    assert.deepEqual(s.count(s.bob), [1, 0]);
  });

  it('follow changed rules and ignored users at once, and end with the membership', async () => {
    await using s = await scene();
    const { user } = s.bob.requester;
    await s.alice.say(s.room, 'counted');
    await s.world.services.pushRules.enable(user, 'underride', '.m.rule.room_one_to_one', false);
    await s.world.services.pushRules.setActions(user, 'underride', '.m.rule.message', []);
    await s.alice.say(s.room, 'not counted');
    assert.deepEqual(s.count(s.bob), [1, 0]);
    s.world.accountData.set(user, 'm.ignored_user_list', { ignored_users: { [s.alice.userId]: {} } });
    await s.alice.say(s.room, 'ignored', mention(s.bob));
    assert.deepEqual(s.count(s.bob), [1, 0]);
    await s.bob.leave(s.room);
    await s.bob.join(s.room);
    assert.deepEqual(s.count(s.bob), [0, 0]);
  });

  it('a mention of the room highlights only from those who may', async () => {
    await using s = await scene();
    await s.bob.say(s.room, 'all!', { 'm.mentions': { room: true } });
    assert.deepEqual(s.count(s.alice), [1, 0]);
    await s.alice.say(s.room, 'all!', { 'm.mentions': { room: true } });
    assert.deepEqual(s.count(s.bob), [1, 1]);
  });

  it('a rule that is rolled back was never there', async () => {
    await using s = await scene();
    const { user } = s.bob.requester;
    const { pushRules } = s.world.services;
    assert.throws(() =>
      s.world.store.db.write<void>(() => {
        const master = { ...pushRules.rule(user, 'override', '.m.rule.master'), enabled: true };
        const { override, ...rest } = pushRules.ruleset(user);
        const rules = { ...rest, override: override.map((rule) => (rule.rule_id === master.rule_id ? master : rule)) };
        s.world.accountData.set(user, 'm.push_rules', rulesetContent(rules));
        assert.equal(pushRules.of(user).rules.override.length, 10);
        throw new Error('no');
      }),
    );
    await s.alice.say(s.room, 'heard');
    assert.deepEqual(s.count(s.bob), [1, 0]);
  });

  it(`beyond ${maxActions} are only counted, until something newer is read`, async () => {
    await using store = openTestStore();
    const { pushCounts } = store.stores;
    const [user, room] = [1 as UserNid, 1 as RoomNid];
    const at = (pos: number) => pos as StreamPos;
    store.db.write<void>(() => {
      for (let pos = 1; pos <= maxActions + 50; pos++) {
        pushCounts.add([user], {
          room,
          pos: at(pos),
          event: pos as EventNid,
          thread: 0,
          highlight: false,
          actions: [],
        });
      }
    });
    const total = () => pushCounts.unread(user, room)[0]?.notify;
    assert.equal(total(), maxActions + 50);
    const read = (upTo: number) => store.db.write(() => pushCounts.markRead(user, room, at(upTo), 'all', at(5000)));
    assert.equal(read(40), false);
    assert.equal(total(), maxActions + 50);
    assert.equal(read(51), true);
    assert.equal(total(), maxActions - 1);
    assert.equal(read(5000), true);
    assert.equal(total(), 0);
  });

  it('are kept as notifications when they have been read, the newest few hundred of them', async () => {
    await using store = openTestStore();
    const { pushCounts } = store.stores;
    const [user, room] = [1 as UserNid, 1 as RoomNid];
    for (let pos = 1 as StreamPos; pos <= 1200; pos++) {
      store.db.write<void>(() => {
        const event = pos as number as EventNid;
        pushCounts.add([user], { room, pos, event, thread: 0, highlight: false, actions: [] });
        pushCounts.markRead(user, room, pos, 'all', pos);
      });
    }
    const kept = pushCounts.notificationsBefore(user, streamEnd, 5000);
    assert.ok(kept.length >= 500 && kept.length < 600, `${kept.length}`);
    assert.deepEqual([kept[0]?.pos, kept[0]?.read], [1200, true]);
    store.db.write<void>(() => pushCounts.clear(user, room, 1201 as StreamPos));
    assert.deepEqual(pushCounts.notificationsBefore(user, streamEnd, 5000), []);
  });
});
