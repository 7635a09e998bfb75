import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stripElf } from '../../build/elf.ts';
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

describe('stripping', () => {
  for (const arch of ['x64', 'arm64']) {
    it(`keeps all that a file for ${arch} has loaded, and nothing twice`, () => {
      const file = readFileSync(join(projectRoot, `node_modules/better-sqlite3/prebuilds/linux-${arch}.node`));
      const stripped = stripElf(file);
      assert.ok(stripped.length < file.length);
      assert.deepEqual(stripElf(stripped), stripped);
      // All but the place and the number of the sections, which the header names, is as it was.
      assert.deepEqual(stripped.subarray(0x40, 1_000_000), file.subarray(0x40, 1_000_000));
    });
  }

  it('refuses what is no such file', () => {
    assert.throws(() => stripElf(Buffer.from('#!/bin/sh\nexit 0\n')), /not a 64-bit ELF file/);
  });
});
