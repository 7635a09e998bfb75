import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { servedIn } from '../support/endpoint-guide.ts';
import { judge, specRows } from '../support/endpoint-list.ts';
import { World } from '../support/servers/world.ts';

const guide = readFileSync(new URL('../../docs/endpoints.md', import.meta.url), 'utf8');

describe('docs/endpoints.md', () => {
  it('has a line for every row of the inventory', () => {
    const rows = specRows();
    assert.ok(rows.length > 200, `only ${rows.length} rows were read`);
    const missing = rows.filter(({ method, path }) => !guide.includes(`| \`${method} ${path}\``));
    assert.deepEqual(missing, []);
  });

  it('says of exactly what the router serves that it is served (scripts/generate-endpoints.ts writes it anew)', async () => {
    await using world = await World.open();
    const served = judge(specRows(), world.hs.app.endpoints, []).filter((row) => row.served);
    assert.deepEqual(
      servedIn(guide),
      served.map(({ method, path }) => `${method} ${path}`),
    );
  });

  it('names an answer that a test got for everything that is served', () => {
    const untested = guide.split('\n').filter((line) => /served and tested by *\|/.test(line));
    assert.deepEqual(untested, []);
  });
});
