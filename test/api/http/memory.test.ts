import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';

const root = resolve(import.meta.dirname, '../../..');

describe('the HTTP layer', () => {
  it("loads neither the platform's fetch nor HTTP/2", () => {
    const script = [
      "await import('./src/api/app.ts');",
      "await import('./src/api/http/server.ts');",
      "await import('./src/api/http/endpoint.ts');",
      "await import('./src/api/http/parse.ts');",
      'process.stdout.write(process.moduleLoadList.filter((name) => /undici|http2/.test(name)).join());',
    ].join('');
    const hooks = join(root, 'build/text-imports.mjs');
    const loaded = execFileSync(process.execPath, ['--import', hooks, '--input-type=module', '-e', script], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(loaded, '');
  });
});
