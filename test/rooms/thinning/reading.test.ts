import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';
import { Account, enc, pass, thin } from './old-room.ts';

/** A room with an old part, of which everybody has seen, said and marked something, and a new one. */
async function grown(world: World) {
  const alice = await Account.of(world, 'alice');
  const bob = await Account.of(world, 'bob');
  const { room_id: room } = await alice.ok('POST', '/createRoom', { preset: 'public_chat', name: 'first name' });
  const carol = await Account.of(world, 'carol');
  for (const each of [bob, carol]) await each.ok('POST', `/join/${enc(room)}`, {});
  const start = await alice.ok('GET', '/sync');
  const old = await alice.say(room, 'an old apricot');
  const root = await alice.say(room, 'an old root');
  const inThread = await bob.say(room, 'old reply', { rel_type: 'm.thread', event_id: root });
  const gone = await bob.say(room, 'to be redacted');
  const redaction = await alice.redact(room, gone);
  const name = await alice.set(room, 'm.room.name', { name: 'second banana' });
  const topic = await alice.set(room, 'm.room.topic', { topic: 'old cherry topic' });
  const topicRedaction = await alice.redact(room, topic);
  for (let i = 0; i < 30; i++) await alice.say(room, `bob, old ${i}`);
  await bob.ok('POST', `/rooms/${enc(room)}/receipt/m.read/${enc(old)}`, {});
  await bob.ok('PUT', `/user/${bob.userId}/rooms/${enc(room)}/account_data/m.x`, { a: 1 });
  await bob.ok('POST', `/rooms/${enc(room)}/read_markers`, { 'm.fully_read': old });
  await bob.ok('POST', `/rooms/${enc(room)}/report/${enc(old)}`, { reason: 'spam' });
  const middle = await bob.ok('GET', '/sync');
  const page = await alice.ok('GET', `/rooms/${enc(room)}/messages?dir=b&limit=5`);
  pass(world, 100);
  const late = await bob.say(room, 'new reply', { rel_type: 'm.thread', event_id: root });
  const edit = await alice.say(room, 'new edit of old', { rel_type: 'm.replace', event_id: old });
  const kept = await alice.say(room, 'a new apricot');
  const reaction = await bob.send(room, 'm.reaction', {
    'm.relates_to': { rel_type: 'm.annotation', event_id: kept, key: '+' },
  });
  const keptReply = await bob.say(room, 'new thread', { rel_type: 'm.thread', event_id: kept });
  const deadRedaction = await alice.redact(room, inThread);
  const fresh = [late, edit, kept, reaction, keptReply, deadRedaction];
  const all = { old, root, inThread, gone, redaction, name, topic, topicRedaction, late, edit, kept };
  return { alice, bob, carol, room, start, middle, page, fresh, reaction, keptReply, ...all, deadRedaction };
}

describe('a room whose old history has been deleted', () => {
  it('shows what is left, as it was', async () => {
    await using world = await World.open();
    const { alice, room, fresh, page, middle, start, ...events } = await grown(world);
    const here = `/rooms/${enc(room)}`;
    const stateBefore = (await alice.ok('GET', `${here}/state`)).map(({ event_id: id }: { event_id: string }) => id);
    const membersBefore = await alice.ok('GET', `${here}/members`);
    const shownBefore = await Promise.all(fresh.map((id) => alice.ok('GET', `${here}/event/${enc(id)}`)));

    const thinned = await thin(world, room, 50);
    assert.equal(thinned.events, 35, 'messages and redactions');
    assert.ok(thinned.states > 5 && thinned.bytes > 2000);

    // /messages
    assert.deepEqual(await alice.all(room), fresh.toReversed());
    assert.deepEqual(await alice.all(room, 'f'), fresh);
    for (const from of [page.end, page.start, middle.next_batch, start.next_batch]) {
      assert.deepEqual(await alice.all(room, 'b', from), [], `back from ${from}`);
      assert.deepEqual(await alice.all(room, 'f', from), fresh, `on from ${from}`);
    }
    const to = await alice.ok('GET', `${here}/messages?dir=b&to=${page.end}&limit=100`);
    assert.deepEqual([to.chunk.length, to.end], [fresh.length, undefined]);

    // The state, and what is in it
    assert.deepEqual(
      (await alice.ok('GET', `${here}/state`)).map(({ event_id: id }: { event_id: string }) => id),
      stateBefore,
    );
    assert.deepEqual(await alice.ok('GET', `${here}/members`), membersBefore);
    assert.equal((await alice.ok('GET', `${here}/state/m.room.name/`)).name, 'second banana');
    const at = await alice.call('GET', `${here}/members?at=${page.end}`);
    assert.equal(at.status, 400, at.text);
    assert.equal((await alice.ok('GET', `${here}/members?at=${middle.next_batch}`)).chunk.length, 3);

    // Single events
    const cases: [what: string, path: string, status: number, errcode?: string][] = [
      ['a deleted message', `/event/${enc(events.old)}`, 404, 'M_NOT_FOUND'],
      ['a deleted redaction', `/event/${enc(events.redaction)}`, 404, 'M_NOT_FOUND'],
      ['its context', `/context/${enc(events.old)}`, 404, 'M_NOT_FOUND'],
      ['a kept state event', `/event/${enc(events.name)}`, 200],
      ['its context', `/context/${enc(events.name)}`, 404, 'M_NOT_FOUND'],
      ['a new event', `/event/${enc(events.kept)}`, 200],
      ['its context', `/context/${enc(events.kept)}`, 200],
    ];
    for (const [what, path, status, errcode] of cases) {
      const answer = await alice.call('GET', here + path);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], `${what}: ${answer.text}`);
    }
    for (const [index, id] of fresh.entries()) {
      const { unsigned: before, ...shown } = shownBefore[index];
      const { unsigned, ...now } = await alice.ok('GET', `${here}/event/${enc(id)}`);
      assert.deepEqual(now, shown);
      assert.deepEqual(Object.keys(unsigned), Object.keys(before));
    }
    const redacted = await alice.ok('GET', `${here}/event/${enc(events.topic)}`);
    assert.deepEqual(redacted.content, {}, 'what was redacted stays redacted');
    assert.equal(redacted.unsigned.redacted_because.event_id, events.topicRedaction);
    const context = await alice.ok('GET', `${here}/context/${enc(events.late)}`);
    assert.deepEqual(context.events_before, []);
    assert.equal(context.events_after.length, 5);

    // Relations and threads
    const relations = `/_matrix/client/v1${here}/relations`;
    assert.equal((await alice.call('GET', `${relations}/${enc(events.root)}`)).status, 404);
    assert.equal((await alice.ok('GET', `${relations}/${enc(events.kept)}`)).chunk.length, 2);
    const threads = await alice.ok('GET', `/_matrix/client/v1${here}/threads`);
    assert.deepEqual(
      threads.chunk.map(({ event_id: id }: { event_id: string }) => id),
      [events.kept],
    );
    assert.equal(threads.chunk[0].unsigned['m.relations']['m.thread'].count, 1);

    // Search
    const search = async (words: string) => {
      const body = { search_categories: { room_events: { search_term: words } } };
      const found = (await alice.ok('POST', '/search', body)).search_categories.room_events;
      return found.results.map(({ result }: { result: { event_id: string } }) => result.event_id);
    };
    assert.deepEqual(await search('apricot'), [events.kept]);
    assert.deepEqual(await search('banana'), []);
    assert.deepEqual(await search('cherry'), []);
  });

  it('is synced on from wherever a client was', async () => {
    await using world = await World.open();
    const { alice, carol, room, fresh, middle, start } = await grown(world);
    const before = await carol.ok('GET', `/sync?since=${start.next_batch}`);
    assert.ok(before.rooms.join[room].unread_notifications.notification_count > 10);
    await thin(world, room, 50);
    for (const [since, limited] of [
      [start.next_batch, true],
      [middle.next_batch, false],
      [undefined, true],
    ] as const) {
      const path = `/sync?filter=${enc('{"room":{"timeline":{"limit":50}}}')}${since === undefined ? '' : `&since=${since}`}`;
      const shown = (await alice.ok('GET', path)).rooms.join[room];
      const events = shown.timeline.events.map(({ event_id: id }: { event_id: string }) => id);
      assert.deepEqual([events, shown.timeline.limited], [fresh, limited], `since ${since}`);
      assert.deepEqual(await alice.all(room, 'b', shown.timeline.prev_batch), []);
      const names = shown.state.events.filter(({ type }: { type: string }) => type === 'm.room.name');
      assert.equal(names.length, since === middle.next_batch ? 0 : 1, 'state that changed meanwhile is told');
    }
    // What was unread of it is forgotten, and clients are told.
    const news = (await carol.ok('GET', `/sync?since=${before.next_batch}`)).rooms.join[room];
    assert.equal(news.unread_notifications.notification_count, 3);
    const { notifications } = await carol.ok('GET', '/notifications');
    assert.deepEqual(
      notifications
        .map(({ event }: { event: { event_id: string } }) => event.event_id)
        .every((id: string) => fresh.includes(id)),
      true,
    );
  });

  it('takes receipts, markers, redactions and relations that name what is gone', async () => {
    await using world = await World.open();
    const { alice, bob, room, kept, old, name, root, inThread } = await grown(world);
    await thin(world, room, 50);
    const here = `/rooms/${enc(room)}`;
    const refused: [what: string, method: string, path: string, body: unknown, status: number][] = [
      ['a receipt', 'POST', `${here}/receipt/m.read/${enc(old)}`, {}, 404],
      ['a receipt for kept state', 'POST', `${here}/receipt/m.read/${enc(name)}`, {}, 404],
      ['a marker', 'POST', `${here}/read_markers`, { 'm.fully_read': old }, 404],
      ['a redaction', 'PUT', `${here}/redact/${enc(root)}/r1`, {}, 404],
      ['a report', 'POST', `${here}/report/${enc(old)}`, { reason: 'x' }, 404],
    ];
    for (const [what, method, path, body, status] of refused) {
      const answer = await bob.call(method, path, body);
      assert.equal(answer.status, status, `${what}: ${answer.text}`);
    }
    await bob.ok('POST', `${here}/receipt/m.read/${enc(kept)}`, {});
    await bob.ok('POST', `${here}/read_markers`, { 'm.fully_read': kept });
    await bob.say(room, 'once more', { rel_type: 'm.thread', event_id: root });
    await bob.send(room, 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: old, key: 'x' } });
    await alice.redact(room, name);
    const { db, stores } = world.hs;
    const nid = stores.interning.findEvent(inThread);
    const waiting = db.prepare<[number], number>('SELECT count(*) FROM pending_redaction WHERE target = ?').pluck();
    assert.equal(waiting.get(nid ?? 0), 1, 'should it come again, it is redacted again');
    assert.equal(db.prepare('SELECT count(*) FROM report').pluck().get(), 0);
  });

  it('keeps its newest message, however old, and everything else that it needs to go on', async () => {
    await using world = await World.open();
    const alice = await Account.of(world, 'alice');
    const { room_id: room } = await alice.ok('POST', '/createRoom', { preset: 'public_chat' });
    for (let i = 0; i < 5; i++) await alice.say(room, `${i}`);
    const last = await alice.say(room, 'last');
    const after = await alice.set(room, 'm.room.name', { name: 'x' });
    pass(world, 1000);
    assert.equal((await thin(world, room, 1)).events, 5);
    assert.deepEqual(await alice.all(room), [after, last]);
    assert.equal((await thin(world, room, 1)).events, 0, 'a second time there is nothing to do');
    const next = await alice.say(room, 'goes on');
    assert.deepEqual(await alice.all(room), [next, after, last]);
    pass(world, 1000);
    assert.equal((await thin(world, room, 1)).events, 1);
    assert.deepEqual(await alice.all(room), [next]);
    await alice.say(room, 'and on');
  });
});
