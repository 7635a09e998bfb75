import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asRoomAlias } from '../../src/protocol/ids/room-id.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { roomVersionRules, supportedRoomVersions } from '../../src/protocol/room-versions.ts';
import type { CreateRoomOptions } from '../../src/rooms/create/options.ts';
import { createRoomPlan, type PlanContext } from '../../src/rooms/create/plan.ts';
import type { EventDraft } from '../../src/rooms/send/draft.ts';
import type { JsonObject } from '../../src/util/json.ts';

const alice = asUserId('@alice:hearth.test');
const bob = asUserId('@bob:hearth.test');
const carol = asUserId('@carol:hearth.test');

const plain: CreateRoomOptions = {
  visibility: 'private',
  invite: [],
  isDirect: false,
  version: '12',
  creationContent: {},
  initialState: [],
  powerLevelOverride: {},
};

function plan(changes: Partial<CreateRoomOptions> = {}, context: Partial<PlanContext> = {}): EventDraft[] {
  const options = { ...plain, ...changes };
  const rules = roomVersionRules(options.version);
  assert.ok(rules);
  return createRoomPlan(options, { rules, creator: alice, profile: () => ({}), ...context });
}

const types = (drafts: readonly EventDraft[]): string[] =>
  drafts.map(({ type, stateKey }) => (stateKey === '' ? type : `${type} ${stateKey}`));

function content(drafts: readonly EventDraft[], type: string, stateKey = ''): JsonObject {
  const found = drafts.filter((draft) => draft.type === type && draft.stateKey === stateKey);
  assert.equal(found.length, 1, `${found.length} events for ${type}`);
  return (found[0] as EventDraft).content;
}

describe('createRoom: the events and their order', () => {
  it('applies the events implied by the request in the order of the specification', () => {
    const drafts = plan(
      {
        aliasName: 'pub',
        name: 'Pub',
        topic: 'Beer',
        invite: [bob],
        initialState: [{ type: 'm.room.encryption', stateKey: '', content: { algorithm: 'x' } }],
      },
      { alias: asRoomAlias('#pub:hearth.test') },
    );
    assert.deepEqual(types(drafts), [
      'm.room.create',
      `m.room.member ${alice}`,
      'm.room.power_levels',
      'm.room.canonical_alias',
      'm.room.join_rules',
      'm.room.history_visibility',
      'm.room.guest_access',
      'm.room.encryption',
      'm.room.name',
      'm.room.topic',
      `m.room.member ${bob}`,
    ]);
  });

  it('lets initial_state override the preset, and name and topic override initial_state', () => {
    const drafts = plan({
      name: 'Pub',
      initialState: [
        { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'joined' } },
        { type: 'm.room.name', stateKey: '', content: { name: 'Other' } },
        { type: 'm.room.name', stateKey: 'odd', content: { name: 'Kept' } },
      ],
    });
    assert.deepEqual(content(drafts, 'm.room.history_visibility'), { history_visibility: 'joined' });
    assert.deepEqual(content(drafts, 'm.room.name'), { name: 'Pub' });
    assert.deepEqual(content(drafts, 'm.room.name', 'odd'), { name: 'Kept' });
  });

  it('writes the topic as plain key and as m.topic block', () => {
    assert.deepEqual(content(plan({ topic: 'Beer' }), 'm.room.topic'), {
      topic: 'Beer',
      'm.topic': { 'm.text': [{ body: 'Beer', mimetype: 'text/plain' }] },
    });
  });

  it('sets is_direct and the profile on invites, each invitee once', () => {
    const drafts = plan(
      { invite: [bob, bob], isDirect: true },
      { profile: (user): { displayname?: string } => (user === bob ? { displayname: 'Bob' } : {}) },
    );
    assert.deepEqual(content(drafts, 'm.room.member', bob), {
      membership: 'invite',
      displayname: 'Bob',
      is_direct: true,
    });
    assert.deepEqual(content(drafts, 'm.room.member', alice), { membership: 'join' });
  });
});

describe('createRoom: presets', () => {
  const table: [Partial<CreateRoomOptions>, join: string, guests: string][] = [
    [{}, 'invite', 'can_join'],
    [{ visibility: 'public' }, 'public', 'forbidden'],
    [{ visibility: 'public', preset: 'private_chat' }, 'invite', 'can_join'],
    [{ preset: 'public_chat' }, 'public', 'forbidden'],
    [{ preset: 'trusted_private_chat' }, 'invite', 'can_join'],
  ];
  for (const [options, join, guests] of table) {
    it(`${JSON.stringify(options)} gives join_rule ${join}, guest_access ${guests}, shared history`, () => {
      const drafts = plan(options);
      assert.equal(content(drafts, 'm.room.join_rules')['join_rule'], join);
      assert.equal(content(drafts, 'm.room.guest_access')['guest_access'], guests);
      assert.equal(content(drafts, 'm.room.history_visibility')['history_visibility'], 'shared');
    });
  }
});

describe('createRoom: create event and power levels by room version', () => {
  for (const version of supportedRoomVersions) {
    it(`version ${version}`, () => {
      const drafts = plan({
        version,
        preset: 'trusted_private_chat',
        invite: [bob, alice],
        creationContent: {
          room_version: 'x',
          creator: '@mallory:hearth.test',
          'm.federate': false,
          ...(version === '12' ? { additional_creators: [carol, bob] } : {}),
        },
      });
      const create = content(drafts, 'm.room.create');
      const { users, events } = content(drafts, 'm.room.power_levels');
      assert.equal(create['room_version'], version);
      assert.equal(create['m.federate'], false);
      assert.equal(create['creator'], Number(version) <= 10 ? alice : undefined);
      assert.deepEqual(create['additional_creators'], version === '12' ? [carol, bob] : undefined);
      assert.deepEqual(users, version === '12' ? {} : { [alice]: 100, [bob]: 100 });
      assert.equal((events as JsonObject)['m.room.tombstone'], version === '12' ? 150 : 100);
    });
  }

  it('lists only the creator in a private_chat', () => {
    const drafts = plan({ version: '11', invite: [bob] });
    assert.deepEqual(content(drafts, 'm.room.power_levels')['users'], { [alice]: 100 });
    assert.equal(content(plan({ invite: [bob] }), 'm.room.create')['additional_creators'], undefined);
  });

  it('applies power_level_content_override on top of the generated content', () => {
    const levels = content(plan({ powerLevelOverride: { users_default: 5, events: { x: 1 } } }), 'm.room.power_levels');
    assert.equal(levels['users_default'], 5);
    assert.equal(levels['ban'], 50);
    assert.deepEqual(levels['events'], { x: 1, 'm.room.tombstone': 150 });
  });

  it('keeps the tombstone of version 12 above state_default', () => {
    const levels = content(plan({ powerLevelOverride: { state_default: 200 } }), 'm.room.power_levels');
    assert.equal((levels['events'] as JsonObject)['m.room.tombstone'], 201);
  });
});
