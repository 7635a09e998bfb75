import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { definition } from '../../src/config/definition/definition.ts';
import { duration } from '../../src/config/definition/kinds.ts';
import { allVariables } from '../../src/config/environment.ts';
import { loadConfig } from '../../src/config/load.ts';
import { editDistance, nearestKey } from '../../src/config/nearest.ts';
import { configGuide, exampleFile, shownConfig } from '../../src/config/render.ts';
import { allKeys } from '../../src/config/sources.ts';
import { findTomlLines } from '../../src/config/toml-lines.ts';

const docs = new URL('../../docs/', import.meta.url);

function load(toml: string) {
  const board = { memoryMb: 512, cores: 4 };
  return loadConfig({ file: '/h.toml', env: {}, readFile: () => toml, folder: '/', board });
}

describe('the definition', () => {
  it('gives every key an environment variable of its own', () => {
    assert.equal(allVariables(definition).size, allKeys(definition).length);
  });

  it('is what docs/config.md and docs/hearth.example.toml were made from', () => {
    assert.equal(readFileSync(new URL('config.md', docs), 'utf8'), configGuide());
    assert.equal(readFileSync(new URL('hearth.example.toml', docs), 'utf8'), exampleFile());
  });

  it('has an example file that is valid as it is, with every default', () => {
    const example = load(exampleFile());
    const plain = load('server_name = "example.org"');
    assert.deepEqual(!example.ok && example.problems, false);
    assert.ok(example.ok && plain.ok);
    assert.deepEqual(example.config, plain.config);
  });

  it('has an example file that is valid with everything uncommented', () => {
    const [head = '', ...rest] = exampleFile().split('\n\n');
    assert.match(head, /do not edit/);
    const uncommented = rest.join('\n\n').replaceAll(/^# (?=\w+ = |\[\[)/gm, '');
    const result = load(uncommented);
    assert.deepEqual(!result.ok && result.problems, false);
  });
});

describe('shownConfig', () => {
  it('masks secrets and reads back to the same configuration', () => {
    const result = load(
      'server_name = "a.org"\n[registration]\nshared_secret = "hunter2"\n[federation]\nretry_min = "90s"\n',
    );
    assert.ok(result.ok);
    const shown = shownConfig(result.config);
    assert.doesNotMatch(JSON.stringify(shown), /hunter2/);
    assert.equal((shown['federation'] as Record<string, unknown>)['retry_min'], '90s');
    const again = loadConfig({
      env: {},
      readFile: () => '',
      folder: '/',
      board: { memoryMb: 512, cores: 4 },
      fallback: shown,
    });
    assert.ok(again.ok);
    assert.deepEqual(again.config, {
      ...result.config,
      registration: { ...result.config.registration, sharedSecret: '(secret)' },
    });
  });
});

describe('duration', () => {
  const scope = {
    folder: '/',
    board: { memoryMb: 1, cores: 1 },
    fail: () => duration,
    at: () => scope,
    unknownKey() {},
  };
  const cases = [
    ['0s', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['1m', 60_000],
    ['24h', 86_400_000],
    ['2w', 1_209_600_000],
  ] as const;
  for (const [text, span] of cases) {
    it(`reads ${text}`, () => assert.equal(duration.read(text, scope as never), span));
  }
  it('shows the largest unit that fits', () => {
    assert.deepEqual(
      [0, 250, 90_000, 86_400_000].map((span) => duration.show?.(span)),
      ['0ms', '250ms', '90s', '1d'],
    );
  });
});

describe('editDistance', () => {
  const cases = [
    ['', '', 0],
    ['abc', 'abc', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['mode', 'mod', 1],
  ] as const;
  for (const [a, b, distance] of cases) {
    it(`of "${a}" and "${b}" is ${distance}`, () => assert.equal(editDistance(a, b), distance));
  }
});

describe('nearestKey', () => {
  it('prefers a slip of the pen to the same word in another table', () => {
    assert.equal(nearestKey('rooms.enable', ['rooms.enabled', 'search.enable']), 'rooms.enabled');
  });
  it('finds a key that was put into the wrong table', () => {
    assert.equal(nearestKey('budget_mb', ['data_dir', 'memory.budget_mb']), 'memory.budget_mb');
  });
});

describe('findTomlLines', () => {
  const lines = findTomlLines(`a = 1 # [no]
b = """
[not.a.table]
c = 2
"""
d = [ # many
  1, "]",
  { x = '}' },
]
"quoted key" = 'x'

[t]
e.f = "a\\"b"
[[u]]
g = 1
[[u]]
g = 2
[u.v]
h = 3
`);
  const cases: readonly [readonly (string | number)[], number | undefined][] = [
    [['a'], 1],
    [['b'], 2],
    [['c'], undefined],
    [['d'], 6],
    [['d', 1], 6],
    [['quoted key'], 10],
    [['t'], 12],
    [['t', 'e', 'f'], 13],
    [['t', 'gone'], 12],
    [['u', 0, 'g'], 15],
    [['u', 1, 'g'], 17],
    [['u', 1, 'v', 'h'], 19],
    [['gone'], undefined],
  ];
  for (const [path, line] of cases) {
    it(`finds ${path.join('.')} on line ${line}`, () => assert.equal(lines.lineOf(path), line));
  }
});
