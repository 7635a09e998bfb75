/**
 * Writes docs/endpoints.md: each endpoint of the specification, whether it is served, and by which answers the last run
 * of all tests has shown it. To be run after `npm test`, which records what the tests asked and got.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../src/config/load.ts';
import { createHomeserver } from '../src/homeserver.ts';
import { endpointGuide } from '../test/support/endpoint-guide.ts';
import { judge, specRows } from '../test/support/endpoint-list.ts';
import { judgeErrors, outcomesIn } from '../test/support/named-errors.ts';

const record = fileURLToPath(new URL('../build/out/requests.tsv', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hearth-endpoints-'));
const loaded = loadConfig({
  env: {},
  readFile: () => '',
  folder,
  board: { memoryMb: 512, cores: 2 },
  fallback: { server_name: 'localhost', data_dir: folder },
});
if (!loaded.ok) throw new Error('the settings are not valid');
const hs = await createHomeserver(loaded.config);
const rows = judge(specRows(), hs.app.endpoints, readFileSync(record, 'utf8').split('\n'));
const guide = endpointGuide(rows);
writeFileSync(fileURLToPath(new URL('../docs/endpoints.md', import.meta.url)), guide);
await hs[Symbol.asyncDispose]();
rmSync(folder, { recursive: true });
const untested = rows.filter((row) => row.served && row.outcomes.length === 0);
console.log(`${rows.filter((row) => row.served).length} of ${rows.length} are served`);
for (const { method, path } of untested) console.log(`served, but no test asked for it: ${method} ${path}`);
for (const name of judgeErrors(outcomesIn(guide)).unseen) console.log(`named, but no test saw it: ${name}`);
