import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { describeProblem } from '../../src/config/problems.ts';

const board = { memoryMb: 512, cores: 4 };

/** Loads `toml` as /etc/hearth/hearth.toml, with other files beside it. */
function load(toml: string | undefined, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const all: Record<string, string> = { ...files, ...(toml === undefined ? {} : { '/etc/hearth/hearth.toml': toml }) };
  return loadConfig({
    file: toml === undefined ? undefined : '/etc/hearth/hearth.toml',
    env,
    readFile(path) {
      const text = all[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    folder: '/srv',
    board,
  });
}

function good(toml: string | undefined, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const result = load(toml, env, files);
  assert.ok(result.ok, result.ok ? '' : result.problems.map(describeProblem).join('\n'));
  return result;
}

function problemsOf(toml: string | undefined, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const result = load(toml, env, files);
  return result.ok ? [] : result.problems.map(describeProblem);
}

const name = 'server_name = "example.org"\n';

describe('loadConfig', () => {
  it('needs nothing but server_name', () => {
    const { config, notes } = good(name);
    assert.equal(config.serverName, 'example.org');
    assert.equal(config.dataDir, '/var/lib/hearth');
    assert.equal(config.registration.mode, 'closed');
    assert.equal(config.registration.sharedSecret, undefined);
    assert.equal(config.rooms.defaultVersion, '12');
    assert.equal(config.federation.retryMin, 60_000);
    assert.equal(config.federation.retryMax, 86_400_000);
    assert.equal(config.memory.budgetMb, 256);
    assert.deepEqual(config.listen, [
      {
        address: '127.0.0.1',
        port: 8008,
        tls: 'off',
        tlsCert: undefined,
        tlsKey: undefined,
        certificates: [],
        serves: ['client', 'federation', 'admin'],
      },
    ]);
    assert.deepEqual(notes, []);
  });

  it('reads every key of the contract', () => {
    const { config } = good(
      `server_name = "example.org"
data_dir    = "/var/lib/hearth"
public_url  = "https://matrix.example.org/"
[[listen]]
address  = "/run/hearth.sock"
[[listen]]
address  = "::"
port     = 8448
tls      = "files"
tls_cert = "cert.pem"
tls_key  = "/keys/key.pem"
serves   = ["federation"]
[[listen.certificates]]
cert = "other.pem"
key  = "/k"
[registration]
mode = "open"
shared_secret = "s"
[rooms]
default_version = "11"
public_directory = "nobody"
[federation]
enabled = false
verify_certificates = false
custom_ca_files = ["ca.pem"]
notaries = ["matrix.org"]
allow = ["*.example.org"]
deny  = ["bad.example.org"]
resolve = { "hs2.test" = "127.0.0.1:18448" }
retry_min = "30s"
retry_max = "2d"
[network]
allow_ip_ranges = ["10.0.0.0/8", "fd00::/8", "192.168.1.1"]
trusted_proxies = []
[rate_limits]
enabled = false
[appservices]
folder = "as"
[limits.room]
max_members = 1
max_servers = 2
max_state_events = 3
max_disk_mb = 4
max_join_minutes = 5
when_outgrown = "leave"
[memory]
budget_mb = 300
`,
      {},
      {
        '/etc/hearth/cert.pem': '',
        '/keys/key.pem': '',
        '/etc/hearth/other.pem': '',
        '/k': '',
        '/etc/hearth/ca.pem': '',
      },
    );
    assert.equal(config.publicUrl, 'https://matrix.example.org');
    assert.equal(config.listen[0]?.address, '/run/hearth.sock');
    assert.equal(config.listen[1]?.tlsCert, '/etc/hearth/cert.pem');
    assert.deepEqual(config.listen[1]?.serves, ['federation']);
    assert.deepEqual(config.listen[1]?.certificates, [{ cert: '/etc/hearth/other.pem', key: '/k' }]);
    assert.deepEqual(config.federation.customCaFiles, ['/etc/hearth/ca.pem']);
    assert.deepEqual([...config.federation.resolve], [['hs2.test', '127.0.0.1:18448']]);
    assert.equal(config.federation.retryMax, 172_800_000);
    assert.equal(config.appservices.folder, '/etc/hearth/as');
    assert.deepEqual(config.limits.room, {
      maxMembers: 1,
      maxServers: 2,
      maxStateEvents: 3,
      maxDiskMb: 4,
      maxJoinMinutes: 5,
      whenOutgrown: 'leave',
    });
    assert.equal(config.memory.budgetMb, 300);
  });

  it('says of keys of later features that they are set and not used yet', () => {
    const { notes } = good(`${name}[appservices]\nfolder = "a"\n[media]\nmax_upload_mb = 5\nurl_previews = true\n`);
    assert.deepEqual(notes.map(describeProblem), [
      'hearth.toml:3: appservices.folder: set, but not used by this release',
      'hearth.toml:6: media.url_previews: set, but not used by this release',
    ]);
  });

  it('takes a fallback of the command only where nobody says otherwise', () => {
    const input = {
      readFile: () => '',
      folder: '/srv',
      board,
      fallback: { server_name: 'localhost', data_dir: 'data' },
    };
    const plain = loadConfig({ ...input, env: {} });
    const named = loadConfig({ ...input, env: { HEARTH_SERVER_NAME: 'example.org' } });
    assert.deepEqual(plain.ok && [plain.config.serverName, plain.config.dataDir], ['localhost', '/srv/data']);
    assert.deepEqual(named.ok && [named.config.serverName, named.config.dataDir], ['example.org', '/srv/data']);
  });
});

describe('the environment', () => {
  const cases: readonly [string, string, (config: ReturnType<typeof good>['config']) => unknown, unknown][] = [
    ['HEARTH_DATA_DIR', 'd', (config) => config.dataDir, '/srv/d'],
    ['HEARTH_REGISTRATION_MODE', 'token', (config) => config.registration.mode, 'token'],
    ['HEARTH_RATE_LIMITS_ENABLED', 'false', (config) => config.rateLimits.enabled, false],
    ['HEARTH_LIMITS_ROOM_MAX_MEMBERS', '7', (config) => config.limits.room.maxMembers, 7],
    ['HEARTH_LIMITS_ROOM', '{"max_members":8}', (config) => config.limits.room.maxMembers, 8],
    ['HEARTH_FEDERATION_RETRY_MIN', '5m', (config) => config.federation.retryMin, 300_000],
    ['HEARTH_FEDERATION_NOTARIES', '["a.org","b.org"]', (config) => config.federation.notaries, ['a.org', 'b.org']],
    ['HEARTH_FEDERATION_RESOLVE', '{"a.org":"h:1"}', (config) => [...config.federation.resolve], [['a.org', 'h:1']]],
    ['HEARTH_LISTEN', '[{"port":1},{"port":2}]', (config) => config.listen.map((each) => each.port), [1, 2]],
    ['HEARTH_ROOMS_DEFAULT_VERSION', '10', (config) => config.rooms.defaultVersion, '10'],
  ];
  for (const [variable, value, pick, expected] of cases) {
    it(`sets ${variable}=${value}, and wins over the file`, () => {
      const toml = `${name}data_dir = "/x"\npublic_url = "https://hs.test"\n[registration]\nmode = "open"\n[smtp]\nhost = "m"\nfrom = "h@m"\n`;
      assert.deepEqual(pick(good(toml, { [variable]: value }).config), expected);
    });
  }

  it('is enough without a file', () => {
    assert.equal(good(undefined, { HEARTH_SERVER_NAME: 'example.org' }).config.serverName, 'example.org');
  });

  it('does not mind what container platforms set for a service called hearth', () => {
    good(name, {
      HEARTH_PORT: 'tcp://10.0.0.1:8008',
      HEARTH_SERVICE_HOST: '10.0.0.1',
      HEARTH_CONFIG: 'x',
      HEARTHSTONE: '1',
    });
  });
});

describe('secrets', () => {
  const files = { '/etc/hearth/secret': 'from a file\n', '/srv/other': 'elsewhere' };
  const secretOf = (toml: string, env: Record<string, string> = {}) =>
    good(`${name}[registration]\n${toml}`, env, files).config.registration.sharedSecret;

  it('may stand in a file of their own, beside the config file', () => {
    assert.equal(secretOf('shared_secret_file = "secret"'), 'from a file');
  });
  it('may be credentials of the service manager, which win over the file and lose to the environment', () => {
    const folder = '/run/credentials/hearth.service';
    const credentials = { CREDENTIALS_DIRECTORY: folder };
    const given = { ...files, [`${folder}/registration.shared_secret`]: 'from systemd\n' };
    const text = `${name}[registration]\nshared_secret = "in the file"\n`;
    const secret = (env: Record<string, string>, all = given) => good(text, env, all).config.registration.sharedSecret;
    assert.equal(secret(credentials), 'from systemd');
    assert.equal(secret({ ...credentials, HEARTH_REGISTRATION_SHARED_SECRET: 'set' }), 'set');
    assert.equal(secret(credentials, files as typeof given), 'in the file');
  });
  it('may be named by the environment, seen from the working folder', () => {
    const env = { HEARTH_REGISTRATION_SHARED_SECRET_FILE: 'other' };
    assert.equal(secretOf('shared_secret = "in the file"', env), 'elsewhere');
  });
  it('are refused when given twice in one source', () => {
    assert.deepEqual(
      problemsOf(`${name}[registration]\nshared_secret = "a"\nshared_secret_file = "secret"\n`, {}, files),
      ['hearth.toml:3: registration.shared_secret: is set both as "shared_secret" and as "shared_secret_file"'],
    );
  });
  it('are never part of a message', () => {
    const problems = problemsOf(`${name}[registration]\nshared_secret = ["hunter2"]\n`);
    assert.equal(problems.length, 1);
    assert.doesNotMatch(problems.join(), /hunter2/);
  });
});

describe('problems', () => {
  const range = 'must be a whole number from 0 to 65535';
  const cases: readonly [situation: string, toml: string, problems: readonly string[]][] = [
    ['an unknown key', 'server_nam = "x"', ['hearth.toml:2: server_nam: unknown key (nearest valid key: server_name)']],
    [
      'an unknown table',
      '[registraton]\nmode = "open"',
      ['hearth.toml:2: registraton: unknown key (nearest valid key: registration)'],
    ],
    [
      'a key in the wrong table',
      '[limits]\nmax_members = 5',
      ['hearth.toml:3: limits.max_members: unknown key (nearest valid key: limits.room.max_members)'],
    ],
    ['camelCase', 'dataDir = "x"', ['hearth.toml:2: dataDir: unknown key (nearest valid key: data_dir)']],
    [
      'an unknown key in a listener',
      '[[listen]]\nport = 1\n[[listen]]\nprot = 2',
      ['hearth.toml:5: listen[1].prot: unknown key (nearest valid key: port)'],
    ],
    [
      'a file for what is no secret',
      '[registration]\nmode_file = "x"',
      ['hearth.toml:3: registration.mode_file: unknown key (nearest valid key: registration.mode)'],
    ],
    ['a number out of range', '[[listen]]\nport = 70000', [`hearth.toml:3: listen[0].port: ${range}`]],
    ['a fraction', '[[listen]]\nport = 80.5', [`hearth.toml:3: listen[0].port: ${range}`]],
    ['a text for a number', '[[listen]]\nport = "80"', [`hearth.toml:3: listen[0].port: ${range}`]],
    [
      'a word not offered',
      '[registration]\nmode = "shut"',
      ['hearth.toml:3: registration.mode: must be "closed" or "token" or "open"'],
    ],
    [
      'a duration without unit',
      '[federation]\nretry_min = "5"',
      ['hearth.toml:3: federation.retry_min: must be a duration such as "30s", "5m", "24h" or "7d"'],
    ],
    ['a table for a value', '[data_dir]\nx = 1', ['hearth.toml:2: data_dir: must be a path']],
    ['a value for a table', 'rooms = 5', ['hearth.toml:2: rooms: must be a table']],
    ['an empty list of listeners', 'listen = []', ['hearth.toml:2: listen: at least one listener is needed']],
    [
      'two listeners in one place',
      '[[listen]]\n[[listen]]\n',
      ['hearth.toml:3: listen[1].address: another listener is on 127.0.0.1 port 8008 already'],
    ],
    [
      'TLS by a release that cannot get certificates yet',
      '[[listen]]\ntls = "acme"',
      ['hearth.toml:3: listen[0].tls: "acme" is not available in this release; use "files", or "off" behind a proxy'],
    ],
    [
      'files that are not there',
      '[[listen]]\ntls = "files"\ntls_cert = "c"\ntls_key = "/k"\n[federation]\ncustom_ca_files = ["ca"]',
      [
        'hearth.toml:4: listen[0].tls_cert: the file "/etc/hearth/c" cannot be read (ENOENT)',
        'hearth.toml:5: listen[0].tls_key: the file "/k" cannot be read (ENOENT)',
        'hearth.toml:7: federation.custom_ca_files[0]: the file "/etc/hearth/ca" cannot be read (ENOENT)',
      ],
    ],
    [
      'TLS without certificate',
      '[[listen]]\ntls = "files"\ntls_key = "k"',
      [
        'hearth.toml:2: listen[0].tls_cert: is missing; tls = "files" needs it',
        'hearth.toml:4: listen[0].tls_key: the file "/etc/hearth/k" cannot be read (ENOENT)',
      ],
    ],
    [
      'a lower bound above the upper',
      '[federation]\nretry_max = "1s"\nretry_min = "2s"',
      ['hearth.toml:4: federation.retry_min: must not be longer than federation.retry_max'],
    ],
    [
      'a mail server without what mails need',
      '[smtp]\nhost = "mail.test"\npassword = "x"',
      [
        'configuration: smtp.from: is missing; smtp.host needs it',
        'configuration: public_url: is missing; links in mails begin with it (smtp.host is set)',
        'configuration: smtp.username: is missing; smtp.password needs it',
      ],
    ],
    [
      'a bad IP range',
      '[network]\nallow_ip_ranges = [\n  "10.0.0.0/8",\n  "10.0.0.0/33",\n]',
      ['hearth.toml:3: network.allow_ip_ranges[1]: must be an IP address or range such as "10.0.0.0/8"'],
    ],
    [
      'no TOML at all',
      'data_dir = \n',
      [
        'hearth.toml:2: Invalid TOML document: invalid value',
        'configuration: server_name: is missing; it is the one key that must be set',
      ],
    ],
  ];
  for (const [situation, toml, problems] of cases) {
    it(`name line and key of ${situation}`, () => assert.deepEqual(problemsOf(name + toml), problems));
  }

  it('are reported all at once', () => {
    const problems = problemsOf('[registration]\nmode = 5\n[rooms]\ndefault_version = "13"\nx = 1\n', {
      HEARTH_X: '1',
    });
    assert.equal(problems.length, 5);
    assert.match(problems[0] ?? '', /^hearth.toml:2: registration.mode/);
    assert.match(problems[3] ?? '', /server_name: is missing|HEARTH_X: unknown key/);
  });

  it('include a config file that is not there', () => {
    const result = loadConfig({
      file: 'gone.toml',
      env: { HEARTH_SERVER_NAME: 'a.org' },
      readFile() {
        throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      },
      folder: '/srv',
      board,
    });
    assert.deepEqual(!result.ok && result.problems.map(describeProblem), ['gone.toml: cannot be read (ENOENT)']);
  });
});
