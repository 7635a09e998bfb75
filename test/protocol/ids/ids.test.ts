import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fitsBytes } from '../../../src/protocol/ids/byte-length.ts';
import * as eventId from '../../../src/protocol/ids/event-id.ts';
import * as key from '../../../src/protocol/ids/key-id.ts';
import { formatMxcUri, parseMxcUri } from '../../../src/protocol/ids/mxc-uri.ts';
import * as room from '../../../src/protocol/ids/room-id.ts';
import * as server from '../../../src/protocol/ids/server-name.ts';
import * as user from '../../../src/protocol/ids/user-id.ts';

const hash = 'Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ';
const standardHash = hash.replaceAll('-', '/');

/** `wanted` many bytes in all, made of `letter`. */
function padded(prefix: string, letter: string, suffix: string, wanted: number): string {
  const rest = wanted - Buffer.byteLength(prefix + suffix);
  return prefix + letter.repeat(rest / Buffer.byteLength(letter)) + suffix;
}

/** A grammar with what it takes and what it refuses. */
function grammar(name: string, test: (text: string) => boolean, takes: readonly string[], refuses: readonly string[]) {
  describe(name, () => {
    for (const text of takes) it(`may be ${show(text)}`, () => assert.equal(test(text), true));
    for (const text of refuses) it(`may not be ${show(text)}`, () => assert.equal(test(text), false));
  });
}

const show = (text: string) => `${JSON.stringify(text.slice(0, 50))} (${Buffer.byteLength(text)} bytes)`;

grammar(
  'a server name',
  server.isServerName,
  [
    'matrix.org',
    'matrix.org:8888',
    '1.2.3.4',
    '1.2.3.4:1234',
    '[1234:5678::abcd]',
    '[1234:5678::abcd]:5678',
    '[::ffff:1.2.3.4]',
    'localhost',
    'MATRIX.org',
    'xn--bcher-kva.example',
    'a'.repeat(255),
  ],
  [
    '',
    ':80',
    'a:',
    'a:123456',
    'a:80:80',
    'a:8o',
    'under_score.org',
    'bücher.example',
    'a b',
    'a/b',
    '@a',
    '[::1',
    '::1',
    '[]',
    '[::g]',
    '[1:2]',
    '[1.2.3.4]',
    '[::1]x',
    '[::1]:',
    'a\n',
    'a'.repeat(256),
  ],
);

describe('a server name', () => {
  for (const [name, host, kind, port] of [
    ['matrix.org', 'matrix.org', 'dns', undefined],
    ['matrix.org:8448', 'matrix.org', 'dns', 8448],
    ['1.2.3.4', '1.2.3.4', 'ipv4', undefined],
    ['255.255.255.255:1', '255.255.255.255', 'ipv4', 1],
    ['1.2.3.256', '1.2.3.256', 'dns', undefined],
    ['1.2.3.4.5', '1.2.3.4.5', 'dns', undefined],
    ['1.2.3.', '1.2.3.', 'dns', undefined],
    ['[::1]:8448', '::1', 'ipv6', 8448],
    ['[::1]', '::1', 'ipv6', undefined],
  ] as const) {
    it(`${name} has the parts ${host} (${kind}) and ${port}`, () => {
      assert.deepEqual(server.serverAddress(server.asServerName(name)), { host, kind, port });
    });
  }

  it('is branded only if it is one', () => {
    assert.equal(server.parseServerName('a.example'), 'a.example');
    assert.equal(server.parseServerName('a_b'), undefined);
    assert.throws(() => server.asServerName('a_b'), TypeError);
  });
});

grammar(
  'a user ID in a room',
  user.isUserId,
  [
    '@alice:example.org',
    '@:example.org',
    '@ALICE:example.org',
    '@a b\u0001\u007f:example.org',
    '@é😀:example.org:8448',
    '@a@b#!$:[::1]',
    padded('@', 'a', ':b.org', 255),
    padded('@', 'é', ':b.orgx', 254),
  ],
  [
    '',
    '@',
    '@alice',
    'alice:example.org',
    '@alice:',
    '@alice:under_score',
    '@a:b:c:d',
    '@a\u0000:b.org',
    '@\ud800:b.org',
    '#alice:example.org',
    padded('@', 'a', ':b.org', 256),
    padded('@', 'é', ':b.org', 257),
  ],
);

grammar(
  'the localpart of a new user',
  user.isNewLocalpart,
  ['alice', 'a', '0.9_=-/+z'],
  ['', 'Alice', 'a b', 'é', 'a:b', 'a@b', 'a*', 'a\n'],
);

describe('a user ID', () => {
  it('has a localpart and a server', () => {
    const id = user.asUserId('@a@b:c.example:8448');
    assert.equal(user.localpartOf(id), 'a@b');
    assert.equal(user.serverOf(id), 'c.example:8448');
  });

  it('of a new account keeps to the current grammar and to 255 bytes', () => {
    const name = server.asServerName('b.org');
    assert.equal(user.newUserId('alice', name), '@alice:b.org');
    assert.equal(user.newUserId('Alice', name), undefined);
    assert.equal(user.newUserId('', name), undefined);
    assert.equal(user.newUserId('a'.repeat(248), name)?.length, 255);
    assert.equal(user.newUserId('a'.repeat(249), name), undefined);
  });

  it('is compliant if its localpart is visible ASCII', () => {
    for (const [id, compliant] of [
      ['@alice:b.org', true],
      ['@ALICE!~:b.org', true],
      ['@:b.org', false],
      ['@a b:b.org', false],
      ['@é:b.org', false],
    ] as const) {
      assert.equal(user.isCompliantUserId(user.asUserId(id)), compliant);
    }
  });

  it('is branded only if it is one', () => {
    assert.equal(user.parseUserId('@a:b.org'), '@a:b.org');
    assert.equal(user.parseUserId('a:b.org'), undefined);
    assert.throws(() => user.asUserId('a:b.org'), TypeError);
  });
});

const roomIds = ['!abc:example.org', '!a b😀:1.2.3.4:80', padded('!', 'a', ':b.org', 255)];
const noRoomIds = ['', '!', '!:b.org', '!abc', '!abc:', 'abc:b.org', '#abc:b.org', '!a\u0000:b.org', '!\udc00:b.org'];

grammar(
  'a room ID',
  room.isRoomId,
  [...roomIds, `!${hash}`],
  [...noRoomIds, `!${standardHash}`, `!${hash}x`, `!${hash.slice(1)}`, padded('!', 'a', ':b.org', 256)],
);

grammar('a room ID of room version 11', (text) => room.isRoomIdOf(text, { roomIdIsCreateHash: false }), roomIds, [
  ...noRoomIds,
  `!${hash}`,
]);

grammar(
  'a room ID of room version 12',
  (text) => room.isRoomIdOf(text, { roomIdIsCreateHash: true }),
  [`!${hash}`],
  [...noRoomIds, ...roomIds, `!${hash}:b.org`],
);

grammar(
  'a room alias',
  room.isRoomAlias,
  ['#room:example.org', '#a b/é:example.org', padded('#', 'é', ':b.orgx', 254)],
  [
    '',
    '#',
    '#:b.org',
    '#room',
    'room:b.org',
    '!room:b.org',
    '#a\u0000:b.org',
    '#r:b_c',
    padded('#', 'é', ':b.org', 257),
  ],
);

describe('a room ID', () => {
  it('of room version 12 is that of the create event with the other sigil', () => {
    const create = eventId.asEventId(`$${hash}`);
    assert.equal(room.roomIdOfCreate(create), `!${hash}`);
    assert.equal(room.createOfRoomId(room.asRoomId(`!${hash}`)), create);
    assert.equal(room.createOfRoomId(room.asRoomId('!a:b.org')), undefined);
  });

  it('of older versions names a server', () => {
    assert.equal(room.serverOfRoomId(room.asRoomId('!a:b.org:80')), 'b.org:80');
    assert.equal(room.serverOfRoomId(room.asRoomId(`!${hash}`)), undefined);
  });

  it('and an alias are branded only if they are one', () => {
    assert.equal(room.parseRoomId('!a:b.org'), '!a:b.org');
    assert.equal(room.parseRoomId('#a:b.org'), undefined);
    assert.throws(() => room.asRoomId('#a:b.org'), TypeError);
    assert.equal(room.parseRoomAlias('#a:b.org'), '#a:b.org');
    assert.equal(room.parseRoomAlias('!a:b.org'), undefined);
    assert.throws(() => room.asRoomAlias('!a:b.org'), TypeError);
  });

  it('an alias has a localpart and a server', () => {
    const alias = room.asRoomAlias('#a/b:c.org:80');
    assert.equal(room.localpartOfAlias(alias), 'a/b');
    assert.equal(room.serverOfAlias(alias), 'c.org:80');
  });
});

const noEventIds = ['', '$', 'abc', '!abc:b.org', padded('$', 'a', ':b.org', 256), '$\ud800', '$a\u0000'];

grammar('an event ID', eventId.isEventId, ['$a:b.org', `$${hash}`, `$${standardHash}`, '$x'], noEventIds);

grammar(
  'an event ID of room versions 1 and 2',
  (text) => eventId.isEventIdOf(text, { eventIdFormat: 'v1' }),
  ['$a:b.org', '$é/=:b.org:80', padded('$', 'a', ':b.org', 255)],
  [...noEventIds, `$${hash}`, '$:b.org', '$a:', '$a'],
);

grammar(
  'an event ID of room version 3',
  (text) => eventId.isEventIdOf(text, { eventIdFormat: 'v3' }),
  [`$${standardHash}`],
  [...noEventIds, `$${hash}`, `$${standardHash}=`, '$a:b.org', `$${standardHash.slice(0, -1)}R`],
);

grammar(
  'an event ID of room versions 4 and later',
  (text) => eventId.isEventIdOf(text, { eventIdFormat: 'v4' }),
  [`$${hash}`],
  [...noEventIds, `$${standardHash}`, `$${hash}=`, '$a:b.org', `$${hash.slice(0, -1)}R`],
);

describe('an event ID', () => {
  it('names a server in room versions 1 and 2 only', () => {
    assert.equal(eventId.serverOfEventId(eventId.asEventId('$a:b.org:80')), 'b.org:80');
    assert.equal(eventId.serverOfEventId(eventId.asEventId(`$${hash}`)), undefined);
  });

  it('is branded only if it is one', () => {
    assert.equal(eventId.parseEventId('$a'), '$a');
    assert.equal(eventId.parseEventId('a'), undefined);
    assert.throws(() => eventId.asEventId('a'), TypeError);
  });
});

grammar(
  'a key ID',
  key.isKeyId,
  [
    'ed25519:a_AbCd',
    'ed25519:1',
    'curve25519:JLAFKJWSCS',
    'signed_curve25519:AAAAHg',
    'ed25519:b+/:=',
    'ed25519:base64',
  ],
  ['', 'ed25519', 'ed25519:', ':a', 'ed25519:a b', 'ed25519:a\n', `ed25519:${'a'.repeat(248)}`],
);

grammar(
  'the key ID of a server',
  key.isServerKeyId,
  ['ed25519:a_AbCd', 'ed25519:1', `ed25519:${'a'.repeat(247)}`],
  ['ed25519:', 'ed25519:a-b', 'curve25519:a', 'ed25519:a:b', 'ed25519:é', `ed25519:${'a'.repeat(248)}`],
);

grammar(
  'a device ID',
  key.isDeviceId,
  ['ABCDEFGHIJ', 'é 1', 'a'.repeat(512)],
  ['', 'a\u0000', '\ud800', 'a'.repeat(513)],
);

describe('a key ID', () => {
  it('has an algorithm and a name', () => {
    const id = key.asKeyId('ed25519:a:b');
    assert.equal(key.algorithmOf(id), 'ed25519');
    assert.equal(key.keyNameOf(id), 'a:b');
  });

  it('and a device ID are branded only if they are one', () => {
    assert.equal(key.parseKeyId('ed25519:1'), 'ed25519:1');
    assert.equal(key.parseKeyId('x'), undefined);
    assert.throws(() => key.asKeyId('x'), TypeError);
    assert.equal(key.parseDeviceId('D'), 'D');
    assert.equal(key.parseDeviceId(''), undefined);
    assert.throws(() => key.asDeviceId(''), TypeError);
  });
});

describe('an mxc URI', () => {
  it('names a server and media on it', () => {
    for (const [text, on, mediaId] of [
      ['mxc://example.org/Abc_-9', 'example.org', 'Abc_-9'],
      ['mxc://[::1]:80/a', '[::1]:80', 'a'],
    ] as const) {
      const uri = parseMxcUri(text);
      assert.deepEqual(uri, { server: on, mediaId });
      assert.equal(uri && formatMxcUri(uri), text);
    }
  });

  for (const text of [
    '',
    'mxc://',
    'mxc://a.org',
    'mxc://a.org/',
    'mxc:///a',
    'MXC://a.org/a',
    'http://a.org/a',
    'mxc://a.org/../etc',
    'mxc://a.org/a/b',
    'mxc://a.org/a.png',
    'mxc://a_b/a',
    'mxc://a.org/a?b',
    'mxc://a.org/a#auto',
    `mxc://a.org/${'a'.repeat(256)}`,
  ]) {
    it(`is not ${JSON.stringify(text.slice(0, 30))}`, () => assert.equal(parseMxcUri(text), undefined));
  }
});

describe('limits of 255', () => {
  it('are bytes, not characters', () => {
    assert.equal(fitsBytes('a'.repeat(255)), true);
    assert.equal(fitsBytes('a'.repeat(256)), false);
    assert.equal(fitsBytes('é'.repeat(127)), true);
    assert.equal(fitsBytes('é'.repeat(128)), false);
    assert.equal(fitsBytes('€'.repeat(85)), true);
    assert.equal(fitsBytes('€'.repeat(86)), false);
    assert.equal(fitsBytes('😀'.repeat(63)), true);
    assert.equal(fitsBytes('😀'.repeat(64)), false);
  });
});
