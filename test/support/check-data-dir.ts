import { join } from 'node:path';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { checkConsistency } from '../../src/store/check.ts';
import { Database } from '../../src/store/db.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';

/** What the consistency check finds wrong in a stopped server's data folder. */
export function checkDataDir(dataDir: string, serverName = 'hearth.test'): string[] {
  const file = join(dataDir, 'hearth.db');
  const db = Database.open({ file, cacheKib: 8192, clock: systemClock, log: silentLog, readonly: true });
  const problems = checkConsistency(db, asServerName(serverName));
  void db.close();
  return problems;
}
