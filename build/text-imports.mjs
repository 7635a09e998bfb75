/**
 * Lets plain Node import `.sql` (and other text) files as strings, the way esbuild's text loader does in the bundle:
 * `import ddl from './0001_core.sql' with { type: 'text' }`.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

registerHooks({
  load(url, context, nextLoad) {
    if (context.importAttributes?.type !== 'text') return nextLoad(url, context);
    const text = readFileSync(fileURLToPath(url), 'utf8');
    return { format: 'module', shortCircuit: true, source: `export default ${JSON.stringify(text)};` };
  },
});
