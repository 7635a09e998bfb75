import { isNewLocalpart, parseUserId } from '../../protocol/ids/user-id.ts';
import { VerifyKey } from '../../protocol/signing/keys.ts';
import { optional, preset, table } from './field.ts';
import { duration, flag, list, oneOf, parsed, path, rate, text, webAddress, whole } from './kinds.ts';
import { listenAddress, serverName } from './values.ts';

function limit(what: string, perSecond: number, burst: number) {
  return table(what, {
    per_second: preset(rate, perSecond, 'How many are allowed each second in the long run.'),
    burst: preset(whole(1, 1_000_000), burst, 'How many are allowed at once.'),
  });
}

export const rateLimits = table('Limits on how often something may be done.', {
  enabled: preset(flag, true, 'Whether rate limits apply at all; guessing passwords is always limited.'),
  messages: limit('Events sent by one device; by all of one user twice, from one address ten times as many.', 10, 50),
  joins: limit('Rooms joined or knocked on by one device; by one user and from one address in the same way.', 0.5, 10),
  rooms: limit('Rooms made by one device; by one user and from one address in the same way.', 0.5, 20),
  invites: limit('Invitations sent by one device; by one user and from one address in the same way.', 0.5, 10),
  media: limit('Files uploaded by one device; by one user and from one address in the same way.', 2, 20),
  login: limit('Login attempts from one address; an IPv6 address counts as its /64.', 0.5, 20),
  registration: limit('Requests for new accounts from one address; making one takes two of them.', 0.2, 20),
  reading: limit(
    'Files fetched, key backups read and written, and other small questions that the specification limits, by one device.',
    50,
    500,
  ),
  other: limit(
    'What else the specification limits (searches, profile changes, reports …), by one device or, without a login, one address.',
    10,
    100,
  ),
  federation: limit('Requests of one server that bring something or cost much, and of one address for keys.', 20, 100),
});

const userLocalpart = parsed('the first part of a user ID, such as "notices"', (value) =>
  isNewLocalpart(value) ? value : undefined,
);

const mailAddress = parsed('a mail address', (value) => (/^\S+@\S+$/.test(value) ? value : undefined));

const publicKey = parsed('an Ed25519 public key in unpadded base64', (value) =>
  VerifyKey.fromBase64(value) === undefined ? undefined : value,
);

const userId = parsed('a user ID such as "@admin:example.org"', parseUserId);

/** Tables of features that come in a later release. */
export const laterTables = {
  turn: table('A TURN server for calls.', {
    uris: preset(list(text('a TURN URI')), [], 'The addresses that clients are told.', {
      example: ['turn:turn.example.org?transport=udp'],
    }),
    shared_secret: optional(
      text(),
      'The secret shared with the TURN server, from which short-lived passwords are made.',
      { secret: true, example: 'a long random text' },
    ),
    username: optional(text(), 'A fixed user name, for a TURN server without shared secret.', { example: 'hearth' }),
    password: optional(text(), 'The fixed password that goes with it.', { secret: true, example: 'a password' }),
    lifetime: preset(duration, '24h', 'How long the passwords are good for.'),
  }),
  smtp: table(
    'Sending mail: addresses of accounts, forgotten passwords, notifications. Needs `public_url`, which links in mails begin with.',
    {
      host: optional(text('a host name'), 'The mail server; without it no mail is sent.', {
        example: 'mail.example.org',
      }),
      port: preset(whole(1, 65_535), 587, 'Its port.'),
      tls: preset(
        oneOf('starttls', 'on', 'off'),
        'starttls',
        'Encryption after the greeting (`starttls`), from the first byte (`on`), or none (`off`).',
      ),
      username: optional(text(), 'The user name, if it asks for one.', { example: 'hearth' }),
      password: optional(text(), 'The password that goes with it.', { secret: true, example: 'a password' }),
      from: optional(mailAddress, 'The address that mail comes from.', { example: 'hearth@example.org' }),
    },
  ),
  federation_directory: table('One room directory over all servers that this one knows: see docs/room-directory.md.', {
    enabled: preset(flag, false, 'Whether the room directories of other servers are read and shown together.'),
    max_servers: preset(whole(1, 10_000), 50, 'How many servers are read, those heard of last.'),
    max_rooms: preset(whole(1, 10_000), 500, 'How many rooms of each server are kept, about 500 bytes each.'),
    interval: preset(duration, '1d', 'How often each server is read.'),
  }),
  presence: table('Who is online.', { enabled: preset(flag, false, 'Whether presence is kept and shared.') }),
  search: table('Searching messages.', {
    enabled: preset(
      flag,
      true,
      'Whether messages of unencrypted rooms are indexed and can be searched; once it is off, the index is deleted.',
    ),
  }),
  metrics: table('Figures for Prometheus, at `/metrics` on a listener of its own.', {
    enabled: preset(flag, false, 'Whether figures are kept and served.'),
    address: preset(listenAddress, '127.0.0.1', 'Where: an IP address, or the absolute path of a unix socket.'),
    port: preset(whole(0, 65_535), 9008, 'The TCP port; 0 lets the system choose.'),
    token: optional(
      text(),
      'The bearer token that has to be sent to read them; without it anybody can who gets there.',
      {
        secret: true,
        example: 'a long random text',
      },
    ),
  }),
  backup: table('Backups of the data folder.', {
    folder: optional(path, 'Where backups go; without it, `backups` in the data folder.', {
      example: '/mnt/usb/hearth',
    }),
    every: optional(duration, 'How often one is made by itself; without it, only when asked for.', { example: '1d' }),
    keep: preset(whole(1, 1000), 7, 'How many are kept.'),
    include_remote_media: preset(flag, false, 'Whether files of other servers are included.'),
  }),
  well_known: table('What `/.well-known/matrix/*` says beyond addresses.', {
    serve: preset(flag, true, 'Whether Hearth answers these documents itself.'),
    server: optional(serverName, 'Where other servers reach this one, if that is not the server name.', {
      example: 'matrix.example.org:443',
    }),
    support_email: optional(mailAddress, 'Mail address of the admin.', { example: 'admin@example.org' }),
    support_user: optional(userId, 'Matrix user ID of the admin.', { example: '@admin:example.org' }),
    support_page: optional(webAddress, 'A page with help.', { example: 'https://example.org/help' }),
    policy_server_key: optional(
      publicKey,
      'The public key of a policy server that answers under the server name, for rooms that want to use it.',
      { example: '6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s' },
    ),
  }),
  server_notices: table('Notices from the server to its users.', {
    enabled: preset(flag, false, 'Whether notices can be sent.'),
    localpart: preset(userLocalpart, 'notices', 'The user that they come from.'),
    display_name: preset(text(), 'Server notices', 'The name of that user.'),
    room_name: preset(text(), 'Server notices', 'The name of the room they arrive in.'),
  }),
  delayed_events: table('Events that are sent later.', {
    max_delay: preset(duration, '24h', 'The longest delay that a client may ask for.'),
  }),
  purge: table('Forgetting what nobody needs.', {
    history_max_age: optional(
      duration,
      'How old messages may grow, counted from when they came here; without it they are kept. State (names, members, rights) and the newest message of each room stay.',
      { example: '365d' },
    ),
    empty_rooms_after: preset(
      duration,
      '7d',
      'How long a room stays in the database after the last local user has left it.',
    ),
  }),
} as const;
