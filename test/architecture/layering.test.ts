import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exceptions, layers, typesOnly } from './layers.ts';
import { blankComments, parseSource, readSourceFiles, type SourceFile } from './source-files.ts';

const files = readSourceFiles('src');
const others = ['test', 'scripts', 'build'].flatMap((folder) => readSourceFiles(folder));

/** Project paths with line numbers where `pattern` stands in code, outside comments. */
function places(among: readonly SourceFile[], pattern: RegExp): string[] {
  return among.flatMap((file) =>
    file.code.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}`] : [])),
  );
}

function importers(among: readonly SourceFile[], specifier: RegExp): string[] {
  return among.filter((file) => file.imports.some((each) => specifier.test(each.specifier))).map((file) => file.path);
}

const outside = (...layerNames: string[]) => files.filter((file) => !layerNames.includes(file.layer));

describe('the architecture test', () => {
  it('has read the project', () => {
    assert.ok(files.length > 20, `only ${files.length} files`);
    assert.ok(files.flatMap((file) => file.imports).length > files.length, 'hardly any imports were found');
  });

  it('finds every form of import and ignores comments', () => {
    const text = [
      "import { a } from './a.ts';",
      "import type { b } from '../b.ts';",
      'import {',
      '  c,',
      "} from 'c';",
      "import './d.ts';",
      "export { e } from './e.ts';",
      "// import { x } from './x.ts';",
      "const f = await import('./f.ts');",
      "const g = 'no // comment'; /* new Date() */",
    ].join('\n');
    const { imports, code } = parseSource('src/rooms/z.ts', text);
    assert.deepEqual(
      imports.map((each) => each.target ?? each.specifier),
      ['src/rooms/a.ts', 'src/b.ts', 'c', 'src/rooms/d.ts', 'src/rooms/e.ts', 'src/rooms/f.ts'],
    );
    assert.equal(imports[1]?.isTypeOnly, true);
    assert.match(code, /no \/\/ comment/);
    assert.doesNotMatch(code, /new Date/);
    assert.equal(blankComments('/* a\nb */c').split('\n').length, 2);
  });
});

describe('layers', () => {
  it('are declared for every folder', () => {
    const unknown = [...new Set(files.map((file) => file.layer))].filter((layer) => !Object.hasOwn(layers, layer));
    assert.deepEqual(unknown, []);
  });

  it('import only what they may', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const allowed = layers[file.layer];
      if (allowed === 'anything' || allowed === undefined) continue;
      for (const each of file.imports) {
        if (each.target === undefined) continue;
        const layer = each.target.split('/')[1] ?? '';
        if (layer === file.layer || exceptions.has(`${file.layer} → ${each.target}`)) continue;
        if (!each.target.startsWith('src/')) wrong.push(`${file.path} leaves src: ${each.target}`);
        else if (!allowed.includes(layer)) wrong.push(`${file.path} → ${each.target}`);
        else if (typesOnly.has(`${file.layer} → ${layer}`) && !each.isTypeOnly)
          wrong.push(`${file.path} → ${each.target} (types only)`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('have no import cycles', () => assert.deepEqual(findCycles(files), []));
});

describe('packages and built-ins', () => {
  it('better-sqlite3 is imported only in store/', () => {
    assert.deepEqual(importers(outside('store'), /^better-sqlite3$/), []);
  });
  it('hono is imported only in api/', () => assert.deepEqual(importers(outside('api'), /^hono($|\/)/), []));
  it('node:fs is imported only where files are the matter', () => {
    const allowed = new Set(['src/api/admin/socket.ts']);
    const found = importers(outside('config', 'store', 'media', 'governor', 'cli'), /^node:fs/);
    assert.deepEqual(
      found.filter((path) => !allowed.has(path)),
      [],
    );
  });
  it('built-ins are written with node:', () => {
    assert.deepEqual(
      importers([...files, ...others], /^(fs|path|os|crypto|http|https|net|url|util|stream|events)$/),
      [],
    );
  });
  it('relative imports end in .ts or name a text file', () => {
    const wrong = [...files, ...others].flatMap((file) =>
      file.imports.filter(
        (each) => each.target !== undefined && !/\.(ts|mjs|sql|json|service|conf)$/.test(each.specifier),
      ),
    );
    assert.deepEqual(wrong, []);
  });
});

describe('ambient things', () => {
  it('SQL is written only in store/', () => {
    const sql =
      /['"`]\s*(SELECT\s|INSERT\s+(OR\s|INTO\s)|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(TABLE|INDEX)\s|PRAGMA\s)/;
    assert.deepEqual(places(outside('store'), sql), []);
  });
  it('time is read only in util/clock.ts', () => {
    const found = places(files, /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/);
    assert.deepEqual(
      found.filter((place) => !place.startsWith('src/util/clock.ts')),
      [],
    );
  });
  it('chance is taken only in util/random.ts', () => {
    const found = places(files, /\bMath\.random\(|\brandomBytes\b|\brandomUUID\b|\brandomInt\b|\bgetRandomValues\b/);
    assert.deepEqual(
      found.filter((place) => !place.startsWith('src/util/random.ts')),
      [],
    );
  });
  it('protocol/ is pure', () => {
    const pure = files.filter((file) => file.layer === 'protocol');
    const forbidden =
      /\basync\b|\bawait\b|\bPromise\b|\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bconsole\.|\bprocess\.|\bfetch\(['"`]/;
    assert.deepEqual(places(pure, forbidden), []);
    assert.deepEqual(importers(pure, /^node:(?!crypto$|util$|buffer$)/), []);
  });
  it('identifiers and NIDs are branded with "as" only in protocol/ids and store/, positions in streams/ as well', () => {
    const brands =
      /\bas (unknown as )?(UserId|RoomId|RoomAlias|EventId|ServerName|KeyId|DeviceId|\w+Nid|Millis|Bytes)\b(?!\s*[,}])/;
    const positions = /\bas (unknown as )?StreamPos\b(?!\s*[,}])/;
    const found = [...places(outside('store'), brands), ...places(outside('store', 'streams'), positions)];
    assert.deepEqual(
      found.filter((place) => !/^src\/(protocol\/ids\/|util\/brand\.ts)/.test(place)),
      [],
    );
  });
});

describe('files', () => {
  it('have at most 600 lines', () => {
    const long = [...files, ...others].filter((file) => file.text.split('\n').length > 601);
    assert.deepEqual(
      long.map((file) => file.path),
      [],
    );
  });
  it('are named in kebab-case', () => {
    const odd = [...files, ...others].filter(
      (file) => !/^[a-z0-9-]+(\.test|\.d)?\.ts$/.test(file.path.split('/').at(-1) ?? ''),
    );
    assert.deepEqual(
      odd.map((file) => file.path),
      [],
    );
  });
  it('are no barrels', () => {
    const barrels = files.filter((file) => /^export \* from/m.test(file.code));
    assert.deepEqual(
      barrels.map((file) => file.path),
      [],
    );
  });
  it('use no namespaces, enums or parameter properties, and export by name', () => {
    assert.deepEqual(
      places(files, /^\s*(export )?(const )?enum \w|^\s*(export )?namespace \w|^export default/).filter(
        (place) => !place.includes('.d.ts'),
      ),
      [],
    );
  });
});

/** Groups of files that import each other in a circle, static imports of types included; one line for each circle. */
function findCycles(all: readonly SourceFile[]): string[] {
  const byPath = new Map(all.map((file) => [file.path, file]));
  const done = new Set<string>();
  const trail: string[] = [];
  const cycles: string[] = [];
  const visit = (path: string): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    trail.push(path);
    for (const each of byPath.get(path)?.imports ?? []) {
      if (each.target !== undefined && byPath.has(each.target)) visit(each.target);
    }
    trail.pop();
    done.add(path);
  };
  for (const file of all) visit(file.path);
  return cycles;
}
