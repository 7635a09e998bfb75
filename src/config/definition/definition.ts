import { derived, optional, preset, required, table, tableList } from './field.ts';
import { duration, flag, list, map, oneOf, path, text, webAddress, whole } from './kinds.ts';
import { laterTables, rateLimits } from './later.ts';
import { hostAndPort, ipRange, listenAddress, serverGlob, serverName } from './values.ts';

const later = { since: 'later' } as const;

const certificateShape = {
  cert: required(path, 'The certificate chain in PEM form.', { example: '/etc/hearth/other.cert.pem' }),
  key: required(path, 'Its private key in PEM form.', { example: '/etc/hearth/other.key.pem' }),
} as const;

export const listenerShape = {
  address: preset(listenAddress, '127.0.0.1', 'Where to listen: an IP address, or the absolute path of a unix socket.'),
  port: preset(whole(0, 65_535), 8008, 'The TCP port; 0 lets the system choose. Not used with a unix socket.'),
  tls: preset(
    oneOf('off', 'files', 'acme'),
    'off',
    'Plain HTTP behind a proxy (`off`), TLS with a certificate from files (`files`), or with one that is fetched and renewed by itself (`acme`).',
  ),
  tls_cert: optional(path, 'The certificate chain in PEM form, for `tls = "files"`.', {
    example: '/etc/hearth/cert.pem',
  }),
  tls_key: optional(path, 'The private key in PEM form, for `tls = "files"`.', { example: '/etc/hearth/key.pem' }),
  certificates: preset(
    tableList('an array of tables, written as [[listen.certificates]]', certificateShape),
    [],
    'Further certificates for `tls = "files"`: the first that is for the name which a client asks for is shown, else the one of `tls_cert`.',
  ),
  serves: preset(
    list(oneOf('client', 'federation', 'admin')),
    ['client', 'federation', 'admin'],
    'Which interfaces this listener answers.',
  ),
} as const;

const termsShape = {
  id: required(text(), 'A short name that stays the same over versions, such as `privacy`.', { example: 'privacy' }),
  version: required(text(), 'The version; a new one is asked for again.', { example: '1.0' }),
  name: required(text(), 'What people see.', { example: 'Privacy policy' }),
  url: required(webAddress, 'Where the text is.', { example: 'https://example.org/privacy' }),
  language: preset(text('a language code'), 'en', 'The language of the text.'),
} as const;

const limitsDerived = 'from RAM and cores';

/** Every key there is: its kind, its default and its sentence. Parser, types, `docs/config.md` and the example file come from here. */
export const definition = {
  server_name: required(
    serverName,
    'The name in user IDs and room aliases (`@alice:example.org`); it can never be changed later.',
    { example: 'example.org' },
  ),
  data_dir: preset(
    path,
    '/var/lib/hearth',
    'The folder that holds everything Hearth keeps: databases, signing key, backups.',
  ),
  public_url: optional(
    webAddress,
    'The address at which clients reach this server, as `/.well-known/matrix/client` says it.',
    { example: 'https://matrix.example.org' },
  ),

  listen: preset(
    tableList('an array of tables, written as [[listen]]', listenerShape),
    [{}],
    'One table for each address that is listened on.',
  ),

  registration: table('Who may make an account.', {
    mode: preset(
      oneOf('closed', 'token', 'open'),
      'closed',
      'Nobody (`closed`), whoever has a registration token (`token`), or everybody (`open`).',
    ),
    shared_secret: optional(
      text(),
      'Lets programs that know it make accounts through `POST /_synapse/admin/v1/register`.',
      { secret: true, example: 'a long random text' },
    ),
    guests: preset(flag, false, 'Whether guests without an account may look into rooms that allow it.'),
    terms: preset(
      tableList('an array of tables, written as [[registration.terms]]', termsShape),
      [],
      'Documents that people accept when they make an account; the same `id` in several languages is one document.',
    ),
  }),

  rooms: table('Rooms made on this server.', {
    default_version: preset(
      oneOf('1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12'),
      '12',
      'The room version of a new room, unless its creator names one.',
    ),
    public_directory: preset(
      oneOf('members', 'admins', 'nobody'),
      'members',
      'Who may publish a room in the public directory: its moderators (`members`), only admins of the server, or nobody.',
    ),
  }),

  federation: table('Talking to other servers.', {
    enabled: preset(flag, true, 'Whether this server talks to others at all.'),
    verify_certificates: preset(
      flag,
      true,
      'Whether the TLS certificates of other servers are verified; only ever `false` in a test network.',
    ),
    custom_ca_files: preset(
      list(path),
      [],
      'PEM files with certificate authorities that are trusted besides those that come with Hearth (the list of Mozilla).',
    ),
    notaries: preset(
      list(serverName),
      [],
      'Servers that are asked first for the signing keys of others. With none only the origin is asked, and what servers said that have died cannot be verified.',
    ),
    allow: preset(list(serverGlob), [], 'If not empty, only these servers are talked to.'),
    deny: preset(list(serverGlob), [], 'Servers that are never talked to.'),
    resolve: preset(
      map('server names', hostAndPort),
      {},
      'Where given servers are reached, in place of discovery; private addresses are allowed here.',
      { example: { 'hs2.test': '127.0.0.1:18448' } },
    ),
    retry_min: preset(duration, '1m', 'How long an unreachable server is left alone at first.'),
    retry_max: preset(duration, '24h', 'How long an unreachable server is left alone at most.'),
  }),

  network: table('Addresses.', {
    allow_ip_ranges: preset(
      list(ipRange),
      [],
      'Private ranges that outgoing requests (to other servers, identity servers and push gateways) may reach all the same; push gateways inside them also without TLS.',
    ),
    trusted_proxies: preset(list(ipRange), ['127.0.0.1', '::1'], 'Proxies whose `X-Forwarded-For` is believed.'),
  }),

  rate_limits: rateLimits,

  appservices: table('Bridges and bots.', {
    folder: optional(path, 'A folder in which every `*.yaml` file is the registration of an application service.', {
      ...later,
      example: '/etc/hearth/appservices',
    }),
  }),

  limits: table('Limits that keep the board alive.', {
    room: table('What a room may cost before joining it is refused.', {
      max_members: derived(
        whole(1, 10_000_000),
        limitsDerived,
        (board) => Math.min(200_000, board.memoryMb * 100),
        'Joined members.',
      ),
      max_servers: derived(
        whole(1, 1_000_000),
        limitsDerived,
        (board) => Math.min(20_000, board.memoryMb * 10),
        'Servers in the room.',
      ),
      max_state_events: derived(
        whole(1, 100_000_000),
        limitsDerived,
        (board) => Math.min(1_000_000, board.memoryMb * 400),
        'State events, memberships included.',
      ),
      max_disk_mb: derived(
        whole(1, 10_000_000),
        'a twentieth of the disk, from 128 to 4096; 1024 where its size is not known',
        (board) => (board.diskMb === undefined ? 1024 : Math.max(128, Math.min(4096, Math.round(board.diskMb / 20)))),
        'Megabytes on disk.',
      ),
      max_join_minutes: derived(
        whole(1, 100_000),
        limitsDerived,
        (board) => (board.cores > 1 ? 60 : 120),
        'Minutes until all members are known.',
      ),
      when_outgrown: preset(
        oneOf('warn', 'thin', 'leave'),
        'warn',
        'What becomes of a room that has outgrown a limit since it was joined, besides the admin being told: nothing (`warn`), its oldest messages are deleted here down to four fifths of `max_disk_mb`, but for the newest 500 and those of the last 7 days (`thin`), or all users of this server leave it (`leave`).',
      ),
    }),
  }),

  memory: table('Memory.', {
    budget_mb: derived(
      whole(64, 1_048_576),
      'half of what the cgroup or the machine has, from 128 to 1024',
      (board) => Math.max(128, Math.min(1024, Math.round(board.memoryMb / 2))),
      'Megabytes that the process aims to stay within; caches are sized from it.',
    ),
  }),

  log: table('The log, on standard error.', {
    level: preset(oneOf('debug', 'info', 'warn', 'error'), 'info', 'The least important lines that are written.'),
  }),

  media: table('Pictures and files.', {
    max_upload_mb: preset(
      whole(1, 4096),
      50,
      'The largest file that a user may upload or have fetched from another server, in megabytes.',
    ),
    max_image_megapixels: preset(
      whole(1, 1000),
      40,
      'The largest picture that thumbnails are made of, in millions of pixels.',
    ),
    remote_max_age: preset(duration, '30d', 'How long files of other servers are kept after they were last looked at.'),
    remote_max_mb: optional(
      whole(1, 10_000_000),
      'Megabytes that files of other servers may take on disk; without it only their age counts.',
      { example: 2048 },
    ),
    url_previews: preset(flag, false, 'Whether the server fetches previews of links for its clients.', later),
  }),

  ...laterTables,
} as const;
