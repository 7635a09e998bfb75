import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { Database, type OpenOptions } from '../../src/store/db.ts';
import { openStores, type Stores } from '../../src/store/stores.ts';
import { Notifier } from '../../src/streams/notifier.ts';
import { Streams } from '../../src/streams/streams.ts';
import { silentLog } from '../../src/util/log.ts';
import { SeededRandom } from './seeded-random.ts';
import { FakeClock } from './stubs/fake-clock.ts';

/** An empty folder that is gone after the test: `using folder = tempFolder()`. */
export interface TempFolder extends Disposable {
  readonly path: string;
}

export function tempFolder(): TempFolder {
  const path = mkdtempSync(join(tmpdir(), 'hearth-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A fresh database on disk with all stores and streams: `await using store = openTestStore()`. */
export interface TestStore extends AsyncDisposable {
  readonly folder: string;
  readonly file: string;
  readonly db: Database;
  readonly stores: Stores;
  readonly streams: Streams;
  readonly notifier: Notifier;
  readonly clock: FakeClock;
  readonly random: SeededRandom;
}

export function openTestStore(options: Partial<OpenOptions> = {}): TestStore {
  const folder = tempFolder();
  const clock = new FakeClock();
  const file = options.file ?? join(folder.path, 'hearth.db');
  const db = Database.open({ cacheKib: 2048, clock, log: silentLog, ...options, file });
  const stores = openStores(db, asServerName('localhost'));
  const notifier = new Notifier({ localUsers: stores.localUsers, clock });
  const streams = new Streams({ db, positions: stores.positions, notifier, log: silentLog });
  return {
    folder: folder.path,
    file,
    db,
    stores,
    streams,
    notifier,
    clock,
    random: new SeededRandom(),
    async [Symbol.asyncDispose]() {
      try {
        await db.close();
      } finally {
        folder[Symbol.dispose]();
      }
    },
  };
}
