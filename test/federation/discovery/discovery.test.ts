import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Discovery } from '../../../src/federation/discovery/discovery.ts';
import type { SrvRecord } from '../../../src/outbound/resolve-dns.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { fakeDns, httpsStub, openTransport, ownLoopback } from '../../support/federation/https-net.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { ThrowAwayCa } from '../../support/throw-away-ca.ts';

interface Case {
  readonly rule: string;
  readonly server: string;
  readonly wellKnown?: Readonly<Record<string, string>>;
  readonly srv?: Readonly<Record<string, readonly Partial<SrvRecord>[]>>;
  readonly resolve?: Readonly<Record<string, string>>;
  /** host:port, Host header, whom the certificate is for. */
  readonly found: readonly (readonly [place: string, hostHeader: string, tlsName: string])[];
}

const fed = (host: string) => `_matrix-fed._tcp.${host}`;
const old = (host: string) => `_matrix._tcp.${host}`;
const at = (name: string, port: number, priority = 0) => ({ name, port, priority });

const cases: readonly Case[] = [
  { rule: '1 an IPv4 address', server: '192.0.2.1', found: [['192.0.2.1:8448', '192.0.2.1', '192.0.2.1']] },
  { rule: '1 with a port', server: '192.0.2.1:99', found: [['192.0.2.1:99', '192.0.2.1:99', '192.0.2.1']] },
  { rule: '1 an IPv6 address', server: '[2001:db8::1]', found: [['2001:db8::1:8448', '[2001:db8::1]', '2001:db8::1']] },
  {
    rule: '1 an IPv6 address with a port',
    server: '[2001:db8::1]:99',
    found: [['2001:db8::1:99', '[2001:db8::1]:99', '2001:db8::1']],
  },
  { rule: '2 an explicit port', server: 'a.test:99', found: [['a.test:99', 'a.test:99', 'a.test']] },
  {
    rule: '2 goes before everything that the name says elsewhere',
    server: 'a.test:99',
    wellKnown: { 'a.test': 'd.test' },
    srv: { [fed('a.test')]: [at('s.test', 7)] },
    found: [['a.test:99', 'a.test:99', 'a.test']],
  },
  {
    rule: '3.1 delegated to an address',
    server: 'a.test',
    wellKnown: { 'a.test': '192.0.2.1' },
    found: [['192.0.2.1:8448', '192.0.2.1', '192.0.2.1']],
  },
  {
    rule: '3.1 with a port',
    server: 'a.test',
    wellKnown: { 'a.test': '[2001:db8::1]:99' },
    found: [['2001:db8::1:99', '[2001:db8::1]:99', '2001:db8::1']],
  },
  {
    rule: '3.2 delegated to a name and port',
    server: 'a.test',
    wellKnown: { 'a.test': 'd.test:99' },
    srv: { [fed('d.test')]: [at('s.test', 7)] },
    found: [['d.test:99', 'd.test:99', 'd.test']],
  },
  {
    rule: '3.3 delegated to a name with an SRV record',
    server: 'a.test',
    wellKnown: { 'a.test': 'd.test' },
    srv: { [fed('d.test')]: [at('s.test', 7)], [old('d.test')]: [at('o.test', 8)], [fed('a.test')]: [at('x.test', 9)] },
    found: [['s.test:7', 'd.test', 'd.test']],
  },
  {
    rule: '3.4 delegated to a name with an SRV record of the deprecated service',
    server: 'a.test',
    wellKnown: { 'a.test': 'd.test' },
    srv: { [old('d.test')]: [at('o.test', 8)], [fed('a.test')]: [at('x.test', 9)] },
    found: [['o.test:8', 'd.test', 'd.test']],
  },
  {
    rule: '3.5 delegated to a name without SRV records',
    server: 'a.test',
    wellKnown: { 'a.test': 'd.test', 'd.test': 'e.test' },
    srv: { [fed('a.test')]: [at('x.test', 9)] },
    found: [['d.test:8448', 'd.test', 'd.test']],
  },
  {
    rule: '4 an SRV record',
    server: 'a.test',
    srv: { [fed('a.test')]: [at('s.test', 7)], [old('a.test')]: [at('o.test', 8)] },
    found: [['s.test:7', 'a.test', 'a.test']],
  },
  {
    rule: '4 several of them, by priority',
    server: 'a.test',
    srv: { [fed('a.test')]: [at('c.test', 3, 30), at('a.test', 1, 10), at('b.test', 2, 20)] },
    found: [
      ['a.test:1', 'a.test', 'a.test'],
      ['b.test:2', 'a.test', 'a.test'],
      ['c.test:3', 'a.test', 'a.test'],
    ],
  },
  {
    rule: '5 an SRV record of the deprecated service',
    server: 'a.test',
    srv: { [old('a.test')]: [at('o.test', 8)] },
    found: [['o.test:8', 'a.test', 'a.test']],
  },
  { rule: '6 nothing but the name', server: 'a.test', found: [['a.test:8448', 'a.test', 'a.test']] },
  {
    rule: 'nowhere, if the service is said not to be there',
    server: 'a.test',
    srv: { [fed('a.test')]: [at('.', 0)] },
    found: [],
  },
  {
    rule: 'where the admin says, asked by its own name',
    server: 'a.test',
    wellKnown: { 'a.test': 'd.test' },
    resolve: { 'a.test': '127.0.0.1:18448' },
    found: [['127.0.0.1:18448', 'a.test', 'a.test']],
  },
  {
    rule: 'where the admin says, for a name with a port',
    server: 'a.test:99',
    resolve: { 'a.test:99': '[::1]:18448' },
    found: [['::1:18448', 'a.test:99', 'a.test']],
  },
];

describe('server discovery', () => {
  for (const { rule, server, wellKnown = {}, srv = {}, resolve = {}, found } of cases) {
    it(`finds ${rule}`, async () => {
      const discovery = new Discovery({
        dns: fakeDns({}, srv),
        random: new SeededRandom(),
        resolve: new Map(Object.entries(resolve)),
        delegated: (host) => Promise.resolve(host in wellKnown ? asServerName(wellKnown[host] ?? '') : undefined),
      });
      const targets = await discovery.find(asServerName(server));
      assert.deepEqual(
        targets.map(({ host, port, hostHeader, tlsName }) => [`${host}:${port}`, hostHeader, tlsName]),
        found,
      );
      const isConfigured = Object.keys(resolve).length > 0;
      assert.ok(targets.every((target) => target.isConfigured === isConfigured));
    });
  }

  it('does not guess where name servers do not answer', async () => {
    const discovery = new Discovery({
      dns: fakeDns({}, { [fed('a.test')]: new Error('ESERVFAIL') }),
      random: new SeededRandom(),
      resolve: new Map(),
      delegated: () => Promise.resolve(undefined),
    });
    await assert.rejects(discovery.find(asServerName('a.test')), /ESERVFAIL/);
  });
});

/** The same over TLS: what is told to whom, and whose certificate is taken. */
describe('a connection to another server', () => {
  const here = [ownLoopback];
  const overTls: readonly {
    readonly rule: string;
    readonly server: string;
    readonly delegated?: string;
    readonly srv?: readonly string[];
    readonly port?: number;
    readonly resolve?: boolean;
    readonly host: string;
    readonly certificate: string;
  }[] = [
    { rule: '1', server: ownLoopback, port: 8448, host: ownLoopback, certificate: ownLoopback },
    { rule: '1 with a port', server: `${ownLoopback}:PORT`, host: `${ownLoopback}:PORT`, certificate: ownLoopback },
    { rule: '2', server: 'a.test:PORT', host: 'a.test:PORT', certificate: 'a.test' },
    {
      rule: '3.1',
      server: 'a.test',
      delegated: `${ownLoopback}:PORT`,
      host: `${ownLoopback}:PORT`,
      certificate: ownLoopback,
    },
    { rule: '3.2', server: 'a.test', delegated: 'd.test:PORT', host: 'd.test:PORT', certificate: 'd.test' },
    { rule: '3.3', server: 'a.test', delegated: 'd.test', srv: [fed('d.test')], host: 'd.test', certificate: 'd.test' },
    { rule: '3.4', server: 'a.test', delegated: 'd.test', srv: [old('d.test')], host: 'd.test', certificate: 'd.test' },
    { rule: '3.5', server: 'a.test', delegated: 'd.test', port: 8448, host: 'd.test', certificate: 'd.test' },
    { rule: '4', server: 'a.test', srv: [fed('a.test')], host: 'a.test', certificate: 'a.test' },
    { rule: '5', server: 'a.test', srv: [old('a.test')], host: 'a.test', certificate: 'a.test' },
    { rule: '6', server: 'a.test', port: 8448, host: 'a.test', certificate: 'a.test' },
    { rule: 'of a settled place', server: 'a.test', resolve: true, host: 'a.test', certificate: 'a.test' },
    {
      rule: 'of a settled place for an address',
      server: '192.0.2.7',
      resolve: true,
      host: '192.0.2.7',
      certificate: '192.0.2.7',
    },
  ];
  for (const { rule, server, delegated, srv = [], port, resolve = false, host, certificate } of overTls) {
    it(`by rule ${rule} has the host ${host} and wants a certificate for ${certificate}`, async () => {
      const ca = await ThrowAwayCa.create();
      for (const good of [true, false]) {
        const issued = await ca.issue(...(good ? [certificate] : ['s.test', 'other.test', '127.0.0.1']));
        await using stub = await httpsStub(
          issued,
          (_, response) => response.end('hello'),
          port === undefined ? {} : { port },
        );
        const fill = (text: string) => text.replace('PORT', String(stub.port));
        await using web = await httpsStub(await ca.issue('a.test'), (_, response) =>
          delegated === undefined
            ? response.writeHead(404).end()
            : response.end(JSON.stringify({ 'm.server': fill(delegated) })),
        );
        await using transport = openTransport({
          ca,
          wellKnownPort: web.port,
          dns: fakeDns(
            { 'a.test': here, 'd.test': here, 's.test': here },
            Object.fromEntries(srv.map((name) => [name, [{ name: 's.test', port: stub.port }]])),
          ),
          ...(resolve ? { resolve: { [server]: `${ownLoopback}:${stub.port}` }, allowed: [] } : {}),
        });
        assert.equal(await transport.get(fill(server)), good ? '200 hello' : 'tls');
        if (!good) continue;
        const isAddress = /^[\d.]+$/.test(certificate);
        assert.deepEqual(stub.seen, [{ url: '/x', host: fill(host), sni: isAddress ? false : certificate }]);
      }
    });
  }

  it('takes any certificate where the admin says so', async () => {
    const ca = await ThrowAwayCa.create();
    await using stub = await httpsStub(await ca.issue('other.test'), (_, response) => response.end('hello'));
    const dns = fakeDns({ 'a.test': here });
    await using strict = openTransport({ dns });
    assert.equal(await strict.get(`a.test:${stub.port}`), 'tls');
    await using careless = openTransport({ dns, verify: false });
    assert.equal(await careless.get(`a.test:${stub.port}`), '200 hello');
  });

  it('is used again, but not for another server at the same place', async () => {
    const ca = await ThrowAwayCa.create();
    await using stub = await httpsStub(await ca.issue('a.test', '192.0.2.7'), (_, response) => response.end('hello'));
    const place = `${ownLoopback}:${stub.port}`;
    const resolve = { 'a.test': place, 'b.test': place, '192.0.2.7': place, '192.0.2.8': place };
    await using transport = openTransport({ ca, dns: fakeDns({}), resolve });
    assert.equal(await transport.get('a.test'), '200 hello');
    assert.equal(await transport.get('a.test'), '200 hello');
    assert.equal(stub.connections, 1);
    assert.equal(await transport.get('b.test'), 'tls');
    assert.equal(await transport.get('192.0.2.7'), '200 hello');
    assert.equal(await transport.get('192.0.2.8'), 'tls');
  });
});
