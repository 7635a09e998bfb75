import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryAvailable, memoryLimit, memoryPressureFile } from '../../src/config/control-groups.ts';

const mib = 1024 * 1024;
const root = '/sys/fs/cgroup';

/** Files as the kernel shows them. */
const shows = (files: Readonly<Record<string, string>>) => (file: string) => files[file.replace(/\/+/g, '/')];

const limits: [what: string, files: Record<string, string>, megabytes: number][] = [
  ['nothing where there are no control groups', {}, Infinity],
  [
    'what a systemd service may take (version 2)',
    {
      '/proc/self/cgroup': '0::/system.slice/hearth.service\n',
      [`${root}/system.slice/hearth.service/memory.max`]: `${256 * mib}\n`,
      [`${root}/system.slice/memory.max`]: 'max\n',
    },
    256,
  ],
  [
    'what the slice around it may take, where that is less',
    {
      '/proc/self/cgroup': '0::/system.slice/small.slice/hearth.service\n',
      [`${root}/system.slice/small.slice/hearth.service/memory.max`]: 'max\n',
      [`${root}/system.slice/small.slice/memory.max`]: `${192 * mib}\n`,
      [`${root}/system.slice/memory.max`]: `${1024 * mib}\n`,
    },
    192,
  ],
  [
    'no limit where all groups say "max"',
    { '/proc/self/cgroup': '0::/user.slice\n', [`${root}/user.slice/memory.max`]: 'max\n' },
    Infinity,
  ],
  [
    'what a container may take that does not know how it is called outside',
    { '/proc/self/cgroup': '0::/\n', [`${root}/memory.max`]: `${300 * mib}\n` },
    300,
  ],
  [
    'what a container may take that knows it, but sees only its own group',
    { '/proc/self/cgroup': '0::/docker/0123abcd\n', [`${root}/memory.max`]: `${310 * mib}\n` },
    310,
  ],
  [
    'what a group of version 1 may take, beside one of version 2 that knows nothing of memory',
    {
      '/proc/self/cgroup': '12:cpu,cpuacct:/\n9:pids:/x\n4:memory:/outer/inner\n1:name=systemd:/\n0::/\n',
      [`${root}/memory/outer/inner/memory.limit_in_bytes`]: '9223372036854771712\n',
      [`${root}/memory/outer/memory.limit_in_bytes`]: `${128 * mib}\n`,
      [`${root}/memory/memory.limit_in_bytes`]: '9223372036854771712\n',
    },
    128,
  ],
  [
    'the same where several controllers share a hierarchy, in a container',
    {
      '/proc/self/cgroup': '4:hugetlb,memory,rdma:/docker/0123abcd\n',
      [`${root}/memory/memory.limit_in_bytes`]: `${200 * mib}\n`,
    },
    200,
  ],
];

describe('the limit of the control groups', () => {
  for (const [what, files, megabytes] of limits) {
    it(`is ${what}`, () => {
      const limit = memoryLimit(shows(files));
      assert.equal(limit > 2 ** 50 ? Infinity : limit / mib, megabytes);
    });
  }
});

describe('what could still be had of the memory', () => {
  const meminfo = 'MemTotal:         507904 kB\nMemAvailable:     204800 kB\n';
  const cases: [what: string, files: Record<string, string>, megabytes: number | undefined][] = [
    ['unknown where nobody tells', {}, undefined],
    ['what the machine has', { '/proc/meminfo': meminfo }, 200],
    [
      'what the group has, cached files included (version 2)',
      {
        '/proc/meminfo': meminfo,
        '/proc/self/cgroup': '0::/a\n',
        [`${root}/a/memory.max`]: `${256 * mib}\n`,
        [`${root}/a/memory.current`]: `${200 * mib}\n`,
        [`${root}/a/memory.stat`]: `anon 1\ninactive_file ${20 * mib}\nactive_file ${10 * mib}\n`,
      },
      86,
    ],
    [
      'what the machine has, with a group without a limit',
      {
        '/proc/meminfo': meminfo,
        '/proc/self/cgroup': '0::/a\n',
        [`${root}/a/memory.max`]: 'max\n',
        [`${root}/a/memory.current`]: `${200 * mib}\n`,
      },
      200,
    ],
    [
      'what the group has (version 1)',
      {
        '/proc/meminfo': meminfo,
        '/proc/self/cgroup': '4:memory:/a\n',
        [`${root}/memory/a/memory.limit_in_bytes`]: `${256 * mib}\n`,
        [`${root}/memory/a/memory.usage_in_bytes`]: `${250 * mib}\n`,
        [`${root}/memory/a/memory.stat`]: `inactive_file 7\ntotal_inactive_file ${2 * mib}\ntotal_active_file 0\n`,
      },
      8,
    ],
  ];
  for (const [what, files, megabytes] of cases) {
    it(`is ${what}`, () => {
      const available = memoryAvailable(shows(files));
      assert.equal(available === undefined ? undefined : available / mib, megabytes);
    });
  }
});

describe('pressure on memory', () => {
  const cases: [what: string, files: Record<string, string>, file: string | undefined][] = [
    [
      'that of the own group',
      {
        '/proc/self/cgroup': '0::/system.slice/hearth.service\n',
        [`${root}/system.slice/hearth.service/memory.pressure`]: 'some',
        '/proc/pressure/memory': 'some',
      },
      `${root}/system.slice/hearth.service/memory.pressure`,
    ],
    [
      'that of the container',
      {
        '/proc/self/cgroup': '0::/docker/0123abcd\n',
        [`${root}/memory.pressure`]: 'some',
        '/proc/pressure/memory': '',
      },
      `${root}/memory.pressure`,
    ],
    [
      'that of the machine, with groups of version 1',
      { '/proc/self/cgroup': '4:memory:/x\n', '/proc/pressure/memory': 'some' },
      '/proc/pressure/memory',
    ],
    ['nobody’s, where the kernel does not watch it', { '/proc/self/cgroup': '0::/x\n' }, undefined],
  ];
  for (const [what, files, file] of cases) {
    it(`is ${what}`, () => assert.equal(memoryPressureFile(shows(files)), file));
  }
});
