import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EventType, type ISearchResults, type MatrixClient, Preset, RoomType, SearchOrderBy } from 'matrix-js-sdk';
import { RoomHierarchy } from 'matrix-js-sdk/lib/room-hierarchy.js';
import { eventually, muteSdk, registerWithSdk, startSdk, untilRoom } from '../support/clients/sdk-client.ts';
import { ServerProcess } from '../support/servers/server-process.ts';

/** The steps build on each other. */
describe('people find each other, rooms and messages with matrix-js-sdk', () => {
  let server: ServerProcess;
  let alice: MatrixClient;
  let bob: MatrixClient;
  let unmute = (): void => {};
  let space: string;
  let room: string;
  before(async () => {
    unmute = muteSdk();
    server = await ServerProcess.start();
    const account = (name: string) => registerWithSdk(server.url, name, `the password of ${name}`);
    alice = await startSdk(server.url, await account('alice'));
    bob = await startSdk(server.url, await account('bob'));
  });
  after(async () => {
    alice?.stopClient();
    bob?.stopClient();
    await server?.remove();
    unmute();
  });

  it('alice publishes a space with rooms in it, and bob finds it in the directory', async () => {
    const preset = Preset.PublicChat;
    const creation = { type: RoomType.Space };
    const made = { name: 'Family', preset, visibility: 'public' as never, creation_content: creation };
    space = (await alice.createRoom(made)).room_id;
    room = (await alice.createRoom({ name: 'Kitchen', preset })).room_id;
    const closed = (await alice.createRoom({ name: 'Presents', preset: Preset.PrivateChat })).room_id;
    for (const child of [room, closed]) {
      await alice.sendStateEvent(space, EventType.SpaceChild, { via: ['localhost'], suggested: true }, child);
    }
    const listed = await bob.publicRooms({ filter: { generic_search_term: 'fam' } });
    assert.deepEqual(
      listed.chunk.map((each) => each.room_id),
      [space],
    );
    assert.equal((await bob.getRoomSummary(space)).membership, 'leave');
  });

  it('bob walks the tree and joins what he sees', async () => {
    await bob.joinRoom(space);
    const hierarchy = new RoomHierarchy(await untilRoom(bob, space, 'join'), 1);
    while (hierarchy.canLoadMore) await hierarchy.load();
    assert.deepEqual(
      hierarchy.rooms?.map((each) => each.name),
      ['Family', 'Kitchen'],
    );
    assert.equal(hierarchy.isSuggested(space, room), true);
    await bob.joinRoom(room);
    await untilRoom(bob, room, 'join');
  });

  it('they find each other, and the rooms they share', async () => {
    await alice.setDisplayName('Alice Wonder');
    const { results } = await bob.searchUserDirectory({ term: 'wonder' });
    assert.deepEqual(
      results.map((each) => each.user_id),
      [alice.getUserId()],
    );
    const shared = await bob._unstable_getSharedRooms(alice.getUserId() as string);
    assert.deepEqual(new Set(shared), new Set([space, room]));
  });

  it('bob searches what was said, page by page, with what stood around it', async () => {
    for (let i = 0; i < 12; i++) await alice.sendTextMessage(room, i === 3 ? 'a soup with 味噌' : `soup number ${i}`);
    const found = await bob.searchRoomEvents({ term: '味噌' });
    assert.equal(found.count, 1);
    const [only] = found.results;
    assert.equal(only?.context.getEvent().getContent()['body'], 'a soup with 味噌');
    assert.ok((only?.context.getTimeline().length ?? 0) > 1);
    const search_categories = {
      room_events: { search_term: 'soup', order_by: SearchOrderBy.Recent, filter: { limit: 5, rooms: [room] } },
    };
    const response = await bob.search({ body: { search_categories } });
    const first = bob.processRoomEventsSearch<ISearchResults>(
      { _query: { search_categories }, results: [], highlights: [] },
      response,
    );
    const second = await bob.backPaginateRoomEventsSearch(first);
    assert.equal(second.count, 12);
    assert.equal(second.results.length, 10);
    const last = await bob.backPaginateRoomEventsSearch(second);
    assert.equal(last.results.length, 12);
    assert.equal(last.next_batch, undefined);
  });

  it('bob looks into a room that anybody may read, and sees what is said there', async () => {
    const visibility = { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } };
    const options = { name: 'Square', preset: Preset.PublicChat, initial_state: [{ ...visibility, state_key: '' }] };
    const square = (await alice.createRoom(options)).room_id;
    const { event_id: before } = await alice.sendTextMessage(square, 'before');
    const peeked = await bob.peekInRoom(square);
    assert.equal(peeked.name, 'Square');
    assert.ok(peeked.findEventById(before));
    let last = '';
    // Whoever looks in asks for what comes next only after what was there.
    await eventually('bob sees what alice says', async () => {
      last = (await alice.sendTextMessage(square, 'and now')).event_id;
      return peeked
        .getLiveTimeline()
        .getEvents()
        .some((event) => event.getContent()['body'] === 'and now');
    });
    await eventually('the last of it, too', () => Promise.resolve(peeked.findEventById(last) !== undefined));
    bob.stopPeeking();
  });
});
