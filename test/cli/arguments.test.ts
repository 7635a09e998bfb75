import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isServe, parseServeArguments, WrongUsage } from '../../src/cli/arguments.ts';
import { columns, dateText } from '../../src/cli/output.ts';

describe('isServe', () => {
  const cases: readonly [args: string, serves: boolean][] = [
    ['', true],
    ['serve', true],
    ['serve --config h.toml', true],
    ['--config h.toml', true],
    ['--config h.toml serve', true],
    ['serve --unknown', true],
    ['--help', false],
    ['serve --help', false],
    ['-h', false],
    ['--version', false],
    ['user list', false],
    ['--json user list', false],
    ['--config serve user list', false],
    ['version', false],
  ];
  for (const [args, serves] of cases) {
    it(`is ${serves} for "hearth ${args}"`, () => assert.equal(isServe(args.split(' ').filter(Boolean)), serves));
  }
});

describe('parseServeArguments', () => {
  it('reads --config and --dev', () => {
    assert.deepEqual(parseServeArguments(['serve', '-c', 'x', '--dev']), { config: 'x', dev: true });
    assert.deepEqual(parseServeArguments([]), { config: undefined, dev: false });
  });
  for (const args of [
    ['serve', '--unknown'],
    ['serve', 'twice'],
    ['serve', '--config'],
  ]) {
    it(`refuses "${args.join(' ')}"`, () => assert.throws(() => parseServeArguments(args), WrongUsage));
  }
});

describe('output', () => {
  it('aligns columns and leaves no blanks at the end', () => {
    const text = columns(
      ['USER', 'KIND'],
      [
        ['@a:b', ''],
        ['@longer:b', 'admin'],
      ],
    );
    assert.equal(text, 'USER       KIND\n@a:b\n@longer:b  admin');
  });
  it('shows times in UTC', () => assert.equal(dateText(0), '1970-01-01 00:00'));
});
