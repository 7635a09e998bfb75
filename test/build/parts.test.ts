import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findEntryPoints, renameEntryPoints } from '../../build/entry-points.ts';
import { packagesFor } from '../../build/native-packages.ts';
import { projectRoot } from '../architecture/source-files.ts';

describe('entry points of threads', () => {
  const start = "new Worker(new URL('../workers/count-main.ts', import.meta.url), {})";

  it('lie beside the program in the bundle', () => {
    assert.equal(renameEntryPoints(start), "new Worker(new URL('./count-main.cjs', import.meta.url), {})");
    assert.equal(renameEntryPoints("new URL('./x.json', import.meta.url)"), "new URL('./x.json', import.meta.url)");
  });

  it('are found where the source names them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-build-'));
    mkdirSync(join(folder, 'workers'));
    mkdirSync(join(folder, 'rooms'));
    writeFileSync(join(folder, 'rooms/a.ts'), start);
    assert.throws(() => findEntryPoints(folder), /count-main\.ts is named but not there/);
    writeFileSync(join(folder, 'workers/count-main.ts'), '');
    assert.deepEqual(findEntryPoints(folder), [{ in: join(folder, 'workers/count-main.ts'), out: 'count-main' }]);
    rmSync(folder, { recursive: true });
  });
});

describe('packages with native parts', () => {
  const packages = packagesFor(projectRoot, ['better-sqlite3', 'sharp'], 'x64');
  const find = (name: string) => packages.find((each) => each.name === name);

  it('come with all they need', () => {
    const names = packages.map((each) => each.name);
    for (const name of ['better-sqlite3', 'sharp', 'detect-libc', 'semver']) assert.ok(names.includes(name), name);
  });

  it('come without sources and without other machines’ files', () => {
    const sqlite = find('better-sqlite3');
    assert.equal(sqlite?.wanted('/prebuilds/linux-x64.node'), true);
    assert.equal(sqlite?.wanted('/prebuilds/linux-arm64.node'), false);
    assert.equal(sqlite?.wanted('/deps'), false);
    assert.equal(sqlite?.wanted('/lib/index.js'), true);
  });
});
