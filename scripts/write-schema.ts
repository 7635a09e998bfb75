/** Writes `src/store/schema.sql`: the schema that all migrations together lead to. To be run after a new migration. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Database } from '../src/store/db.ts';
import { schemaText } from '../src/store/schema.ts';
import { systemClock } from '../src/util/clock.ts';
import { silentLog } from '../src/util/log.ts';

const folder = mkdtempSync(join(tmpdir(), 'hearth-schema-'));
const db = Database.open({ file: join(folder, 'hearth.db'), cacheKib: 1024, clock: systemClock, log: silentLog });
writeFileSync(fileURLToPath(new URL('../src/store/schema.sql', import.meta.url)), schemaText(db));
await db.close();
rmSync(folder, { recursive: true });
