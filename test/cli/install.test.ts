import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { boardWords } from '../../src/cli/install/board-words.ts';
import { install, type Target, uninstall } from '../../src/cli/install/installation.ts';
import { firstConfig } from '../../src/cli/install/layout.ts';
import { namedNotaries } from '../../src/cli/install/notaries.ts';
import { loadConfig } from '../../src/config/load.ts';
import { projectRoot } from '../architecture/source-files.ts';

const executable = Buffer.from('the program');
const config = firstConfig('a.org', []);
const unit = 'etc/systemd/system/hearth.service';
const memory = `${unit}.d/memory.conf`;
const all = [
  'etc/hearth/hearth.toml',
  unit,
  memory,
  'etc/sysusers.d/hearth.conf',
  'etc/tmpfiles.d/hearth.conf',
  'usr/local/bin/hearth',
];

function withRoot(check: (target: Target, path: (name: string) => string, files: () => string[]) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'hearth-install-'));
  const run = (): void => assert.fail('commands are not run for another root');
  const path = (name: string): string => join(root, name);
  const files = () => globSync('**', { cwd: root }).filter((name) => statSync(path(name)).isFile());
  try {
    check({ root, dryRun: false, run }, path, () => files().toSorted());
  } finally {
    rmSync(root, { recursive: true });
  }
}

describe('hearth install', () => {
  it('shows what follows from the board: the memory aimed at, and which rooms can be joined', () => {
    const board = { memoryMb: 512, cores: 4, diskMb: 29_000 };
    const loaded = loadConfig({ file: 'x', env: {}, readFile: () => config, folder: '/', board, fallback: {} });
    assert.ok(loaded.ok);
    const words = boardWords(loaded.config, board);
    for (const said of [
      'With 512 MB of memory, a disk of 29,000 MB and 4 cores:',
      'within 256 MB',
      'up to 51,200 members, 5,120 servers, 204,800 state events,',
      '1,450 MB on disk and 60 minutes',
    ]) {
      assert.ok(words.includes(said), `${words}\ndoes not say ${said}`);
    }
  });

  it('puts everything in place, once', () => {
    withRoot((target, path, files) => {
      install({ target, budgetMb: 200, executable, config });
      assert.deepEqual(files(), all);
      assert.equal(statSync(path('usr/local/bin/hearth')).mode & 0o777, 0o755);
      assert.equal(statSync(path('etc/hearth/hearth.toml')).mode & 0o777, 0o600);
      assert.match(readFileSync(path('etc/hearth/hearth.toml'), 'utf8'), /^server_name = "a\.org"$/m);
      assert.match(readFileSync(path(memory), 'utf8'), /^MemoryHigh=300M\nMemoryMax=400M$/m);
      const again = install({ target, budgetMb: 200, executable: undefined, config: undefined });
      assert.deepEqual([...new Set(again.map((step) => step.action))], ['keep']);
    });
  });

  it('replaces what an earlier release wrote, and never what an admin has written or changed', () => {
    withRoot((target, path) => {
      install({ target, budgetMb: 200, executable, config });
      appendFileSync(path(unit), '# mine\n');
      writeFileSync(path('etc/hearth/hearth.toml'), '# mine\n');
      const steps = install({ target, budgetMb: 300, executable: undefined, config });
      const written = steps.filter((step) => step.action === 'write').map((step) => step.subject);
      assert.deepEqual(written, [`/${memory}`]);
      assert.match(readFileSync(path(unit), 'utf8'), /# mine\n$/);
      assert.equal(readFileSync(path('etc/hearth/hearth.toml'), 'utf8'), '# mine\n');
    });
  });

  it('only says what it would do in a dry run', () => {
    withRoot((target, _, files) => {
      const steps = install({ target: { ...target, dryRun: true }, budgetMb: 200, executable, config });
      assert.deepEqual(steps.map((step) => step.subject.slice(1)).toSorted(), all);
      assert.deepEqual(files(), []);
    });
  });

  it('runs what makes the user, the folders and the service known', () => {
    const run = (): void => assert.fail('a dry run runs nothing');
    const steps = install({ target: { root: '', dryRun: true, run }, budgetMb: 200, executable, config });
    assert.deepEqual(
      steps.filter((step) => step.action === 'run').map((step) => step.subject),
      [
        'systemd-sysusers /etc/sysusers.d/hearth.conf',
        'systemd-tmpfiles --create /etc/tmpfiles.d/hearth.conf',
        'systemctl daemon-reload',
      ],
    );
  });
});

describe('the first configuration', () => {
  const notariesOf = (text: string) => {
    const board = { memoryMb: 512, cores: 4 };
    const loaded = loadConfig({ file: '/h.toml', env: {}, readFile: () => text, folder: '/', board });
    return loaded.ok && loaded.config.federation.notaries;
  };

  it('names the notaries that the admin has named, and none of its own accord', () => {
    assert.deepEqual(notariesOf(firstConfig('a.org', ['matrix.org', 'b.org'])), ['matrix.org', 'b.org']);
    assert.deepEqual(notariesOf(firstConfig('a.org', [])), []);
    assert.deepEqual(notariesOf(firstConfig('a.org', undefined)), []);
  });

  it('says what it means to have none, and how to name one', () => {
    for (const notaries of [undefined, [], ['b.org']]) {
      assert.match(
        firstConfig('a.org', notaries),
        /^# later, and a room whose creator’s server is gone cannot be joined/m,
      );
    }
    assert.match(firstConfig('a.org', undefined), /^# notaries = \["matrix\.org"\]$/m);
  });

  it('takes nothing for a notary that is no server name', () => {
    assert.deepEqual(
      [namedNotaries(undefined), namedNotaries(false), namedNotaries(['b.org'])],
      [undefined, [], ['b.org']],
    );
    assert.throws(() => namedNotaries(['b.org', 'not a name']), /"not a name" is no server name/);
  });
});

describe('hearth uninstall', () => {
  it('leaves the configuration and what an admin has changed', () => {
    withRoot((target, path, files) => {
      install({ target, budgetMb: 200, executable, config });
      appendFileSync(path('etc/tmpfiles.d/hearth.conf'), '# mine\n');
      writeFileSync(path(`${unit}.d/mine.conf`), '[Service]\n');
      uninstall(target);
      assert.deepEqual(files(), ['etc/hearth/hearth.toml', `${unit}.d/mine.conf`, 'etc/tmpfiles.d/hearth.conf']);
      rmSync(path(`${unit}.d/mine.conf`));
      install({ target, budgetMb: 200, executable, config });
      uninstall(target);
      assert.ok(!existsSync(path(`${unit}.d`)));
    });
  });
});

describe('the systemd unit', () => {
  const isThere = spawnSync('systemd-analyze', ['--version']).status === 0;

  it('is correct and exposes little', { skip: !isThere }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-unit-'));
    const file = join(folder, 'hearth.service');
    const text = readFileSync(join(projectRoot, 'systemd/hearth.service'), 'utf8');
    writeFileSync(file, text.replaceAll('/usr/local/bin/hearth', process.execPath));
    const verified = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
    assert.deepEqual([verified.status, verified.stderr], [0, '']);
    const threshold = ['security', '--offline=true', '--threshold=20', file];
    const security = spawnSync('systemd-analyze', threshold, { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    assert.equal(security.status, 0, security.stdout);
  });
});
