import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { listBackups, readManifest } from '../../src/store/backup/backup-folder.ts';
import { World } from '../support/servers/world.ts';
import { tempFolder } from '../support/store.ts';

const day = 24 * 3600 * 1000;

describe('backups by themselves', () => {
  it('are made as often as said, and only so many are kept', async () => {
    using folder = tempFolder();
    await using world = await World.open({ backup: { folder: folder.path, every: '1d', keep: 2 } });
    await world.register('alice');
    const made = () => listBackups(folder.path, 'localhost').map(({ created }) => created);
    for (let days = 0; days < 4; days++) {
      const before = made();
      // It looks once a minute, and this minute ends before the day does.
      if (days > 0) world.clock.advance(day);
      await new Promise((resolve) => setTimeout(resolve, 20));
      world.clock.advance(60_000);
      for (let turns = 0; turns < 5000 && made().at(-1) === before.at(-1); turns++) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      assert.notEqual(made().at(-1), before.at(-1), `backup ${days} is made`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(made().length, 2);
    assert.ok(readdirSync(folder.path).every((name) => !name.endsWith('.partial')));
  });

  it('go on beside one that the disk has damaged, which counts for nothing and stays', async () => {
    using folder = tempFolder();
    const damaged = join(folder.path, 'hearth-2020-01-01T000000Z');
    mkdirSync(damaged);
    writeFileSync(join(damaged, 'manifest.json'), '{"format":1,');
    await using world = await World.open({ backup: { folder: folder.path, every: '1d', keep: 1 } });
    world.clock.advance(60_000);
    const made = () => listBackups(folder.path, 'localhost');
    for (let turns = 0; turns < 5000 && made().length === 0; turns++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.equal(made().length, 1);
    assert.ok(existsSync(damaged));
    assert.throws(() => readManifest(damaged), /is damaged, or of a later release/);
  });

  it('one at a time; a folder that cannot be written is said plainly', async () => {
    using folder = tempFolder();
    await using world = await World.open({});
    const { backups } = world.hs.admin;
    const first = backups.make(folder.path);
    assert.throws(() => backups.make(folder.path), /a backup is being made already/);
    const { folder: made, bytes } = await first;
    assert.ok(bytes > 100_000);
    assert.ok(readdirSync(made).includes('manifest.json'));
    await assert.rejects(() => backups.make(join(made, 'manifest.json')), /no backup can be made in/);
  });
});
