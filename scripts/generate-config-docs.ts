/** Writes docs/config.md and docs/hearth.example.toml from the definition; `--check` only says whether they are fresh. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { configGuide, exampleFile } from '../src/config/render.ts';

const outputs = [
  ['../docs/config.md', configGuide()],
  ['../docs/hearth.example.toml', exampleFile()],
] as const;

for (const [name, text] of outputs) {
  const path = fileURLToPath(new URL(name, import.meta.url));
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
  } else if (readOrEmpty(path) !== text) {
    console.error(`${name.slice(3)} is not what the definition says; run "npm run generate"`);
    process.exitCode = 1;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
