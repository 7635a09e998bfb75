import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Injected } from '../../support/clients/inject.ts';
import { World } from '../../support/servers/world.ts';

/** Two people in a room, and short words for what they do there. */
async function talk(world: World) {
  const alice = await world.register('alice');
  const bob = await world.register('bob');
  const { room_id: roomId } = await world.ok('POST', '/_matrix/client/v3/createRoom', alice, { preset: 'public_chat' });
  const room = `/rooms/${encodeURIComponent(roomId as string)}`;
  await world.ok('POST', `/_matrix/client/v3${room}/join`, bob, {});
  let count = 0;
  const send = (token: string, content: object, type = 'm.room.message') =>
    world.call('PUT', `/_matrix/client/v3${room}/send/${type}/t${count++}`, { token, body: content });
  const said = async (token: string, content: object, type?: string): Promise<string> => {
    const answer = await send(token, content, type);
    assert.equal(answer.status, 200, answer.text);
    world.clock.advance(1);
    return answer.json.event_id as string;
  };
  const about = (rel_type: string, event_id: string, more: object = {}) => ({
    'm.relates_to': { rel_type, event_id, ...more },
  });
  return {
    alice,
    bob,
    roomId: roomId as string,
    room,
    send,
    about,
    text: (token: string, body: string) => said(token, { msgtype: 'm.text', body }),
    inThread: (token: string, root: string, body: string) =>
      said(token, { msgtype: 'm.text', body, ...about('m.thread', root) }),
    edit: (token: string, event: string, body: string) =>
      said(token, { msgtype: 'm.text', body, 'm.new_content': { body }, ...about('m.replace', event) }),
    react: (token: string, event: string, key: string) =>
      said(token, about('m.annotation', event, { key }), 'm.reaction'),
    refer: (token: string, event: string) => said(token, { body: '', ...about('m.reference', event) }),
    redact: (token: string, event: string) =>
      world.ok('PUT', `/_matrix/client/v3${room}/redact/${encodeURIComponent(event)}/t${count++}`, token, {}),
    ignore: (token: string, name: string, user: string) =>
      world.ok('PUT', `/_matrix/client/v3/user/@${name}:localhost/account_data/m.ignored_user_list`, token, {
        ignored_users: { [user]: {} },
      }),
    event: (token: string, event: string) =>
      world.ok('GET', `/_matrix/client/v3${room}/event/${encodeURIComponent(event)}`, token),
    relations: (token: string, event: string, rest = '') =>
      world.ok('GET', `/_matrix/client/v1${room}/relations/${encodeURIComponent(event)}${rest}`, token),
    threads: (token: string, query = '') => world.ok('GET', `/_matrix/client/v1${room}/threads${query}`, token),
  };
}

type Json = Record<string, unknown>;
const ids = (answer: { [key: string]: unknown }) => (answer['chunk'] as Json[]).map((event) => event['event_id']);
/** What is bundled with an event of an answer. */
const bundle = (event: Injected['json']): Injected['json'] => event?.['unsigned']['m.relations'];

describe('bundled aggregations', () => {
  it('tell the newest edit by the sender, and never touch the content of the original', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const original = await t.text(t.alice, 'colour');
    assert.equal(bundle(await t.event(t.bob, original)), undefined);
    await t.edit(t.alice, original, 'color');
    const second = await t.edit(t.alice, original, 'COLOUR');
    await t.edit(t.bob, original, 'somebody else');
    await t.send(t.alice, { body: 'no m.new_content', ...t.about('m.replace', original) });
    const shown = await t.event(t.bob, original);
    assert.equal((shown.content as Json)['body'], 'colour');
    assert.equal(bundle(shown)['m.replace'].event_id, second);
    assert.equal(bundle(shown)['m.replace'].content['m.new_content'].body, 'COLOUR');
    assert.equal(bundle(await t.event(t.bob, second)), undefined, 'an edit of an edit would be none');
    await t.redact(t.alice, second);
    assert.equal(bundle(await t.event(t.bob, original))['m.replace'].content.body, 'color');
    await t.redact(t.alice, original);
    assert.equal(bundle(await t.event(t.bob, original)), undefined);
  });

  it('tell of two edits within a millisecond the one with the larger event ID', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const original = await t.text(t.alice, 'x');
    const edits: string[] = [];
    for (const body of ['a', 'b', 'c']) {
      const content = { body, 'm.new_content': { body }, ...t.about('m.replace', original) };
      edits.push((await t.send(t.alice, content)).json.event_id as string);
    }
    assert.equal(bundle(await t.event(t.alice, original))['m.replace'].event_id, edits.sort().at(-1));
  });

  it('list references in their order, and leave annotations out', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const poll = await t.text(t.alice, 'tea or coffee?');
    const votes = [await t.refer(t.alice, poll), await t.refer(t.bob, poll)];
    await t.react(t.bob, poll, '👍');
    const expected = { 'm.reference': { chunk: votes.map((event_id) => ({ event_id })) } };
    assert.deepEqual(bundle(await t.event(t.bob, poll)), expected);
    await t.redact(t.bob, votes[1] as string);
    assert.equal(bundle(await t.event(t.bob, poll))['m.reference'].chunk.length, 1);
  });

  it('tell of a thread its newest event with its own edit, its count, and whether the reader took part', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.alice, 'root');
    await t.inThread(t.alice, root, 'one');
    const two = await t.inThread(t.alice, root, 'two');
    await t.edit(t.alice, two, 'zwei');
    const thread = async (token: string) => bundle(await t.event(token, root))?.['m.thread'];
    const seen = await thread(t.bob);
    assert.equal(seen.count, 2);
    assert.equal(seen.current_user_participated, false);
    assert.equal(seen.latest_event.event_id, two);
    assert.equal(seen.latest_event.room_id, t.roomId);
    assert.equal(bundle(seen.latest_event)['m.replace'].content['m.new_content'].body, 'zwei');
    assert.equal((await thread(t.alice)).current_user_participated, true);
    const three = await t.inThread(t.bob, root, 'three');
    assert.equal((await thread(t.bob)).current_user_participated, true);
    await t.redact(t.bob, three);
    assert.deepEqual([(await thread(t.bob)).count, (await thread(t.bob)).latest_event.event_id], [2, two]);
    assert.equal((await thread(t.bob)).current_user_participated, false);
  });

  it('leave out what ignored users say', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.bob, 'root');
    const own = await t.inThread(t.bob, root, 'mine');
    await t.inThread(t.alice, root, 'hers');
    await t.refer(t.alice, root);
    await t.ignore(t.bob, 'bob', '@alice:localhost');
    const seen = bundle(await t.event(t.bob, root));
    assert.equal(seen['m.thread'].latest_event.event_id, own);
    assert.equal(seen['m.thread'].count, 1);
    assert.equal(seen['m.reference'], undefined);
    assert.equal(bundle(await t.event(t.alice, root))['m.thread'].count, 2);
  });

  it('come with /messages, /context and a limited /sync, but not where the client has seen everything', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const original = await t.text(t.alice, 'old');
    const edit = await t.edit(t.alice, original, 'new');
    const find = (events: unknown) => bundle((events as Json[]).find((event) => event['event_id'] === original));
    const base = `/_matrix/client/v3${t.room}`;
    assert.equal(find((await world.ok('GET', `${base}/messages?dir=b`, t.bob)).chunk)['m.replace'].event_id, edit);
    const beside = await world.ok('GET', `${base}/context/${encodeURIComponent(edit)}`, t.bob);
    assert.equal(find(beside.events_before)['m.replace'].event_id, edit);
    const around = await world.ok('GET', `${base}/context/${encodeURIComponent(original)}`, t.bob);
    assert.equal(bundle(around.event)['m.replace'].event_id, edit);
    const sync = async (limit: number) => {
      const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit } } }));
      const answer = await world.ok('GET', `/_matrix/client/v3/sync?filter=${filter}`, t.bob);
      return answer.rooms.join[t.roomId].timeline;
    };
    assert.equal(find((await sync(2)).events)['m.replace'].event_id, edit);
    assert.equal(find((await sync(50)).events), undefined);
  });

  it('are not made for state events', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const { event_id: name } = await world.ok('PUT', `/_matrix/client/v3${t.room}/state/m.room.name`, t.alice, {
      name: 'n',
    });
    await t.refer(t.bob, name as string);
    assert.equal(bundle(await t.event(t.bob, name as string)), undefined);
    assert.equal((await t.relations(t.bob, name as string)).chunk.length, 1);
  });
});

describe('GET /rooms/{roomId}/relations', () => {
  it('lists what relates to an event, by relation and by type, in both directions', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.alice, 'root');
    const thumb = await t.react(t.bob, root, '👍');
    const edit = await t.edit(t.alice, root, 'edited');
    const answer = await t.inThread(t.bob, root, 'in thread');
    await t.text(t.bob, 'nothing to do with it');
    assert.deepEqual(ids(await t.relations(t.bob, root)), [answer, edit, thumb]);
    assert.deepEqual(ids(await t.relations(t.bob, root, '?dir=f')), [thumb, edit, answer]);
    assert.deepEqual(ids(await t.relations(t.bob, root, '/m.replace')), [edit]);
    assert.deepEqual(ids(await t.relations(t.bob, root, '/m.annotation/m.reaction')), [thumb]);
    assert.deepEqual(ids(await t.relations(t.bob, root, '/m.annotation/m.room.message')), []);
    assert.deepEqual(ids(await t.relations(t.bob, root, '/org.example.unheard/of')), []);
    assert.equal('recursion_depth' in (await t.relations(t.bob, root)), false);
    await t.redact(t.bob, thumb);
    assert.deepEqual(ids(await t.relations(t.bob, root)), [answer, edit]);
    await t.ignore(t.alice, 'alice', '@bob:localhost');
    assert.deepEqual(ids(await t.relations(t.alice, root)), [edit]);
  });

  it('pages in both directions without a gap, up to a token', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.alice, 'root');
    const all: string[] = [];
    for (let i = 0; i < 7; i++) all.push(await t.inThread(t.bob, root, `${i}`));
    for (const dir of ['b', 'f'] as const) {
      for (const recurse of ['', '&recurse=true']) {
        const found: unknown[] = [];
        let from = '';
        for (let page = 0; page < 4; page++) {
          const query: string = `?dir=${dir}&limit=3${recurse}${from === '' ? '' : `&from=${from}`}`;
          const answer = await t.relations(t.alice, root, query);
          assert.equal('prev_batch' in answer, page > 0);
          found.push(...ids(answer));
          if (answer.next_batch === undefined) break;
          from = answer.next_batch as string;
        }
        assert.deepEqual(found, dir === 'f' ? all : all.toReversed());
      }
    }
    const first = await t.relations(t.alice, root, '?limit=2');
    const second = await t.relations(t.alice, root, `?limit=2&from=${first.next_batch}`);
    const between = await t.relations(t.alice, root, `?from=${first.next_batch}&to=${second.next_batch}`);
    assert.deepEqual(ids(between), ids(second));
    assert.deepEqual(ids(await t.relations(t.alice, root, `?from=${second.next_batch}&to=${first.next_batch}`)), []);
  });

  it('recurses three steps, through relations of the kind that was asked for only', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.alice, 'root');
    const answer = await t.inThread(t.bob, root, 'one');
    const edit = await t.edit(t.bob, answer, 'uno');
    const thumb = await t.react(t.alice, edit, '👍');
    const tooFar = await t.refer(t.alice, thumb);
    const deep = await t.relations(t.alice, root, '?recurse=true');
    assert.deepEqual(ids(deep), [thumb, edit, answer]);
    assert.equal(deep.recursion_depth, 3);
    assert.ok(!ids(deep).includes(tooFar));
    assert.deepEqual(ids(await t.relations(t.alice, root, '/m.replace?recurse=true')), []);
    assert.deepEqual(ids(await t.relations(t.alice, answer, '?recurse=true&dir=f')), [edit, thumb, tooFar]);
    assert.deepEqual(ids(await t.relations(t.alice, root, '?recurse=false')), [answer]);
    const events = (await t.relations(t.alice, root)).chunk as Json[];
    assert.equal(bundle(events[0])['m.replace'].event_id, edit);
  });

  it('shows only what the reader may see', async () => {
    await using world = await World.open();
    const t = await talk(world);
    await world.ok('PUT', `/_matrix/client/v3${t.room}/state/m.room.history_visibility`, t.alice, {
      history_visibility: 'joined',
    });
    const carol = await world.register('carol');
    const hidden = await t.text(t.alice, 'before carol');
    await world.ok('POST', `/_matrix/client/v3${t.room}/join`, carol, {});
    await t.inThread(t.alice, hidden, 'seen');
    const path = `/_matrix/client/v1${t.room}/relations/${encodeURIComponent(hidden)}`;
    assert.equal((await world.call('GET', path, { token: carol })).json.errcode, 'M_NOT_FOUND');
    assert.deepEqual((await t.threads(carol)).chunk, []);
    const root = await t.text(t.alice, 'seen by carol');
    await world.ok('POST', `/_matrix/client/v3${t.room}/leave`, carol, {});
    await t.inThread(t.alice, root, 'not seen by carol');
    const left = `/_matrix/client/v1${t.room}/relations/${encodeURIComponent(root)}`;
    assert.deepEqual((await world.call('GET', left, { token: carol })).json.chunk, []);
    assert.equal(bundle(await t.event(carol, root)), undefined);
  });

  const refused: [string, string, number, string][] = [
    ['an unknown event', '/relations/$nothing', 404, 'M_NOT_FOUND'],
    ['a kind of relation of an unknown event', '/relations/$nothing/m.thread', 404, 'M_NOT_FOUND'],
    ['a type of relation of an unknown event', '/relations/$nothing/m.thread/m.x', 404, 'M_NOT_FOUND'],
    ['a direction that is none', '/relations/ROOT?dir=x', 400, 'M_INVALID_PARAM'],
    ['a token that is none', '/relations/ROOT?from=x', 400, 'M_INVALID_PARAM'],
    ['a limit of nothing', '/relations/ROOT?limit=0', 400, 'M_INVALID_PARAM'],
    ['recurse that is no boolean', '/relations/ROOT/m.thread?recurse=2', 400, 'M_INVALID_PARAM'],
    ['threads from a token that is none', '/threads?from=x', 400, 'M_INVALID_PARAM'],
    ['threads of another kind', '/threads?include=some', 400, 'M_INVALID_PARAM'],
    ['a limit of no threads', '/threads?limit=0', 400, 'M_INVALID_PARAM'],
  ];
  it('refuses what the specification names', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = encodeURIComponent(await t.text(t.alice, 'root'));
    for (const [what, path, status, errcode] of refused) {
      const full = `/_matrix/client/v1${t.room}${path.replace('ROOT', root)}`;
      const answer = await world.call('GET', full, { token: t.alice });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], what);
    }
    const carol = await world.register('carol');
    const secret = await world.ok('POST', '/_matrix/client/v3/createRoom', t.alice, {});
    const other = `/_matrix/client/v1/rooms/${encodeURIComponent(secret.room_id as string)}/threads`;
    assert.equal((await world.call('GET', other, { token: carol })).status, 403);
    assert.equal((await world.call('GET', other)).status, 401);
    assert.equal((await world.call('GET', `/_matrix/client/v1${t.room}/relations/${root}`)).status, 401);
  });
});

describe('GET /rooms/{roomId}/threads', () => {
  it('lists the roots by the newest event of their threads, page by page', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const roots: string[] = [];
    for (const body of ['a', 'b', 'c', 'd']) roots.push(await t.text(t.alice, body));
    const [a, b, c, d] = roots as [string, string, string, string];
    await t.inThread(t.alice, a, '1');
    await t.inThread(t.bob, b, '2');
    await t.inThread(t.alice, c, '3');
    const lifted = await t.inThread(t.alice, a, '4');
    const all = await t.threads(t.bob);
    assert.deepEqual(ids(all), [a, c, b]);
    assert.equal(bundle((all.chunk as Json[])[0])['m.thread'].latest_event.event_id, lifted);
    assert.equal('next_batch' in all, false);
    assert.deepEqual(ids(await t.threads(t.bob, '?include=participated')), [b]);
    assert.deepEqual(ids(await t.threads(t.alice, '?include=participated')), [a, c, b]);
    const first = await t.threads(t.bob, '?limit=2');
    assert.deepEqual(ids(first), [a, c]);
    const second = await t.threads(t.bob, `?limit=2&from=${first.next_batch}`);
    assert.deepEqual(ids(second), [b]);
    assert.equal('next_batch' in second, false);
    const only = await t.inThread(t.bob, d, '5');
    await t.redact(t.bob, only);
    await t.redact(t.alice, lifted);
    assert.deepEqual(ids(await t.threads(t.bob)), [c, b, a]);
  });

  it('shows the root of an ignored user redacted', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.alice, 'root');
    await t.inThread(t.bob, root, 'mine');
    await t.ignore(t.bob, 'bob', '@alice:localhost');
    const [shown] = (await t.threads(t.bob)).chunk as Json[];
    assert.deepEqual(shown?.['content'], {});
    assert.equal(bundle(shown)['m.thread'].count, 1);
  });
});

describe('sending relations', () => {
  it('refuses the second equal annotation of a user until the first is redacted', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const event = await t.text(t.alice, 'nice');
    const first = await t.react(t.bob, event, '👍');
    const again = () => t.send(t.bob, t.about('m.annotation', event, { key: '👍' }), 'm.reaction');
    const answer = await again();
    assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_DUPLICATE_ANNOTATION']);
    await t.react(t.bob, event, '🎉');
    await t.react(t.alice, event, '👍');
    assert.equal((await t.send(t.bob, t.about('m.annotation', event, { key: '👍' }), 'org.example.mark')).status, 200);
    await t.redact(t.bob, first);
    assert.equal((await again()).status, 200);
  });

  it('answers a repeated transaction with the first annotation', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const event = await t.text(t.alice, 'nice');
    const path = `/_matrix/client/v3${t.room}/send/m.reaction/same`;
    const body = t.about('m.annotation', event, { key: '👍' });
    const first = await world.ok('PUT', path, t.bob, body);
    assert.deepEqual(await world.ok('PUT', path, t.bob, body), first);
  });

  it('refuses a thread on an event that relates to another, but not on a reply', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.alice, 'root');
    const inside = await t.inThread(t.bob, root, 'inside');
    const answer = await t.send(t.alice, { body: 'no', ...t.about('m.thread', inside) });
    assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_UNKNOWN']);
    const reply = await t.send(t.alice, { body: 're', 'm.relates_to': { 'm.in_reply_to': { event_id: root } } });
    await t.inThread(t.bob, reply.json.event_id as string, 'fine');
    assert.equal((await t.threads(t.bob)).chunk.length, 2);
  });

  it('takes relations that are none as ordinary events', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const root = await t.text(t.alice, 'root');
    const odd = [
      'text',
      { rel_type: 5, event_id: root },
      { rel_type: 'm.thread' },
      { rel_type: 'm.thread', event_id: 'no event' },
      { rel_type: '', event_id: root },
      { rel_type: 'x'.repeat(300), event_id: root },
    ];
    for (const relation of odd) {
      assert.equal((await t.send(t.alice, { body: '', 'm.relates_to': relation })).status, 200);
    }
    assert.equal((await t.send(t.alice, { body: '', ...t.about('m.thread', '$unknown') })).status, 200);
    assert.deepEqual((await t.relations(t.alice, root)).chunk, []);
    assert.deepEqual((await t.threads(t.alice)).chunk, []);
  });

  it('does not relate events across rooms', async () => {
    await using world = await World.open();
    const t = await talk(world);
    const other = await world.ok('POST', '/_matrix/client/v3/createRoom', t.alice, {});
    const root = await t.text(t.alice, 'root');
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(other.room_id as string)}/send/m.room.message/1`;
    await world.ok('PUT', path, t.alice, { body: '', ...t.about('m.thread', root) });
    assert.equal(bundle(await t.event(t.alice, root)), undefined);
    assert.deepEqual((await t.relations(t.alice, root)).chunk, []);
  });
});
