import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PartialProgress } from '../../../src/store/rooms/partial-rooms.ts';
import { stateOf } from '../../support/federation/room-comparison.ts';
import { Universe } from '../../support/servers/universe.ts';
import { nothingIsLeft } from '../joining/joining-world.ts';
import { joins, PartialStage } from './partial-world.ts';

const crowd = 300;

async function crowded(universe: Universe, omits: boolean, people = crowd): Promise<PartialStage> {
  const stage = await PartialStage.open(universe);
  stage.room.omitsMembers = omits;
  for (let n = 0; n < people; n++) joins(stage.room, n % 2 === 0 ? stage.x : stage.y, `p${n}`);
  return stage;
}

/** Ends the server without notice when so much is filled in or stored. */
async function crashAt(stage: PartialStage, hasCome: (progress: PartialProgress) => boolean): Promise<void> {
  const { partialRooms } = stage.world.hs.stores;
  const write = partialRooms.progress.bind(partialRooms);
  let crash: Promise<void> | undefined;
  partialRooms.progress = (room, progress) => {
    write(room, progress);
    if (hasCome(progress)) crash ??= stage.universe.crash('a.test');
  };
  await stage.universe.until(() => crash !== undefined, 'that it comes so far');
  await crash;
}

const moments: [when: string, hasCome: (progress: PartialProgress) => boolean][] = [
  ['the first events are stored', ({ events }) => events > 0],
  ['half of the events are stored', ({ events }) => events > crowd / 2],
  ['the first members are filled in', ({ members }) => members > 0],
  ['half of the members are filled in', ({ members }) => members > crowd / 2],
];

describe('filling in a room', () => {
  for (const [when, hasCome] of moments) {
    it(`goes on after a crash when ${when}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const stage = await crowded(universe, true);
      const goOn = stage.holdState();
      await stage.join();
      goOn();
      await crashAt(stage, hasCome);
      await stage.complete();
      const state = stateOf(stage.world, stage.room.roomId);
      const ids = Object.values(state).toSorted();
      const after = stage.room.entries.get(stage.room.ends[0] as never)?.after ?? new Map();
      assert.deepEqual(ids, [...after.values()].toSorted());
      assert.equal(stage.world.hs.stores.roomState.info(stage.known.nid)?.joined, crowd + 21);
      nothingIsLeft(stage.world);
    });
  }

  it('goes on after a restart', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await crowded(universe, true);
    stage.holdState();
    await stage.join();
    await universe.stop('a.test');
    stage.room.serve();
    await universe.start('a.test');
    await stage.complete();
    assert.equal(stage.members().length, crowd + 21);
  });

  it('takes the members from the answer to the join if that has them all', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await crowded(universe, false, 600);
    await stage.join();
    assert.ok(stage.isPartial);
    assert.equal(stage.current('m.room.join_rules'), stage.room.current('m.room.join_rules'));
    assert.equal(stage.world.hs.stores.roomState.info(stage.known.nid)?.servers, 3);
    await stage.complete();
    assert.equal(stage.members().length, 621);
    assert.deepEqual(
      universe.calls.filter(({ uri }) => uri.includes('/v1/state')),
      [],
    );
    nothingIsLeft(stage.world);
  });

  it('asks for the rest of such an answer anew after a crash', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await crowded(universe, false, 600);
    await stage.join();
    await crashAt(stage, ({ events }) => events > 200);
    await stage.complete();
    assert.equal(stage.members().length, 621);
    assert.equal(universe.calls.filter(({ uri }) => uri.includes('/v1/state/')).length, 1);
    nothingIsLeft(stage.world);
  });
});
