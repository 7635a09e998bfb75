import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type GiantShape, giantRoom } from '../support/giant/giant-room.ts';

describe('a room that is made for tests', () => {
  const shapes: readonly GiantShape[] = [
    { members: 12, servers: 3, version: '10' },
    { members: 7, servers: 2, version: '12', odd: { kind: 'bans', count: 5 } },
  ];
  for (const shape of shapes) {
    it(`is the same to the last byte whenever it is made (version ${shape.version})`, () => {
      const made = () => {
        const folder = giantRoom(shape);
        const files = readdirSync(folder).toSorted();
        const contents = files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]);
        rmSync(folder, { recursive: true });
        return contents;
      };
      // One may be left from an earlier state of the program.
      made();
      assert.deepEqual(made(), made());
    });
  }
});
