import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SigningKeys } from '../../src/admin/signing-keys.ts';
import { VerifyKey } from '../../src/protocol/signing/keys.ts';
import { Database } from '../../src/store/db.ts';
import { ProcessLock } from '../../src/store/process-lock.ts';
import { ServerKeyStore } from '../../src/store/server-keys.ts';
import { SigningKeyFile } from '../../src/store/signing-key-file.ts';
import { millis } from '../../src/util/brand.ts';
import { silentLog } from '../../src/util/log.ts';
import { systemRandom } from '../../src/util/random.ts';

describe('the signing key', () => {
  const world = { folder: '', now: 0, databases: [] as Database[] };
  const clock = { isRight: true, now: () => millis(world.now), monotonic: () => 0, after: () => () => {} };
  const keyPath = () => join(world.folder, 'signing.key');

  beforeEach(() => {
    world.folder = mkdtempSync(join(tmpdir(), 'hearth-keys-'));
    world.now = 1000;
  });
  afterEach(async () => {
    for (const db of world.databases.splice(0)) await db.close();
    rmSync(world.folder, { recursive: true });
  });

  function open(): SigningKeys {
    const db = Database.open({ file: join(world.folder, 'hearth.db'), cacheKib: 100, clock, log: silentLog });
    world.databases.push(db);
    const file = new SigningKeyFile(world.folder);
    return new SigningKeys({ db, store: new ServerKeyStore(db), file, clock, random: systemRandom });
  }

  it('is made at the first start, in a file that only its owner can read', () => {
    const { current } = open();
    assert.equal(statSync(keyPath()).mode & 0o777, 0o600);
    assert.match(readFileSync(keyPath(), 'utf8'), /^ed25519 \w+ [A-Za-z0-9+/]{43}\n$/);
    assert.ok(VerifyKey.from(current.publicKey)?.verify('message', current.sign('message')));
  });

  it('is the same after a restart', () => {
    const first = open().current;
    const second = open();
    assert.equal(second.current.keyId, first.keyId);
    assert.equal(second.list().length, 1);
  });

  it('keeps the public half of the old one when it is rotated', () => {
    const keys = open();
    const old = keys.current;
    world.now = 2000;
    const made = keys.rotate();
    assert.equal(made.keyId, keys.current.keyId);
    assert.deepEqual(keys.list(), [
      { keyId: keys.current.keyId, publicKey: keys.current.publicKeyBase64, created: 2000, expired: undefined },
      { keyId: old.keyId, publicKey: old.publicKeyBase64, created: 1000, expired: 2000 },
    ]);
    assert.equal(open().current.keyId, made.keyId);
  });

  it('follows the file, so that a rotation cut short before the database knew is completed', () => {
    const old = open().current;
    writeFileSync(keyPath(), 'ed25519 other AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n');
    world.now = 3000;
    const after = open().list();
    assert.deepEqual(
      after.map((key) => [key.keyId, key.expired]),
      [
        ['ed25519:other', undefined],
        [old.keyId, 3000],
      ],
    );
  });

  it('is never replaced because its file is damaged', () => {
    writeFileSync(keyPath(), 'nonsense');
    assert.throws(open, /line 1/);
    assert.equal(readFileSync(keyPath(), 'utf8'), 'nonsense');
  });

  it('is closed to others if its file was open', () => {
    open();
    chmodSync(keyPath(), 0o644);
    open();
    assert.equal(statSync(keyPath()).mode & 0o777, 0o600);
  });
});

describe('the process lock', () => {
  it('is had by one at a time', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-lock-'));
    {
      using lock = ProcessLock.take(folder);
      assert.ok(lock);
      assert.equal(ProcessLock.take(folder), undefined);
    }
    const again = ProcessLock.take(folder);
    assert.ok(again);
    again[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });
});
