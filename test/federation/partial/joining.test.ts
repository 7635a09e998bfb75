import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Universe } from '../../support/servers/universe.ts';
import { PartialStage } from './partial-world.ts';

const everybody = [
  '@alice:a.test',
  '@creator:x.test',
  ...Array.from({ length: 9 }, (_, n) => `@m${n + 1}:x.test`),
  ...Array.from({ length: 10 }, (_, n) => `@n${n}:y.test`),
].sort();

describe('a join that is answered without members', () => {
  for (const version of ['1', '6', '11', '12']) {
    it(`lets the user in at once, and the members follow (room version ${version})`, async () => {
      await using universe = await Universe.open(['a.test']);
      const stage = await PartialStage.open(universe, version);
      const goOn = stage.holdState();
      await stage.join();
      assert.equal(stage.isPartial, true);
      assert.equal(stage.current('m.room.member', '@n3:y.test'), undefined);
      assert.equal(stage.current('m.room.join_rules'), stage.room.current('m.room.join_rules'));
      goOn();
      await stage.complete();
      assert.deepEqual(stage.members(), everybody);
      const info = stage.world.hs.stores.roomState.info(stage.known.nid);
      assert.deepEqual([info?.joined, info?.servers], [21, 3]);
    });
  }
});
