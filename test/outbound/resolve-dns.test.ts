import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { describe, it } from 'node:test';
import { systemDns } from '../../src/outbound/resolve-dns.ts';

const types: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' };

/** A name server that knows what the table says: a record's data by name and type. */
async function nameServer(table: Readonly<Record<string, readonly number[]>>) {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const data = table[`${labels.join('.')} ${types[query.readUInt16BE(at + 1)]}`];
    const knows = Object.keys(table).some((key) => key.startsWith(`${labels.join('.')} `));
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(knows ? 0x8580 : 0x8583, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(data === undefined ? 0 : 1, 6);
    header.writeUInt32BE(0, 8);
    const parts = [header, query.subarray(12, at + 5)];
    if (data !== undefined) {
      // A pointer to the question's name, its type and class, a minute to live.
      const record = [0xc0, 0x0c, ...query.subarray(at + 1, at + 5), 0, 0, 0, 60, 0, data.length, ...data];
      parts.push(Buffer.from(record));
    }
    socket.send(Buffer.concat(parts), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    dns: systemDns([`127.0.0.1:${socket.address().port}`]),
    [Symbol.dispose]: () => void socket.close(),
  };
}

describe('looking up a name', () => {
  const ipv6 = [0x20, 1, 0x0d, 0xb8, ...Array.from({ length: 11 }, () => 0), 7];

  it('finds addresses of both kinds, and does with one', async () => {
    using server = await nameServer({
      'both.test A': [192, 0, 2, 1],
      'both.test AAAA': ipv6,
      'old.test A': [192, 0, 2, 2],
      'new.test AAAA': ipv6,
    });
    assert.deepEqual(await server.dns.addresses('both.test'), ['192.0.2.1', '2001:db8::7']);
    assert.deepEqual(await server.dns.addresses('old.test'), ['192.0.2.2']);
    assert.deepEqual(await server.dns.addresses('new.test'), ['2001:db8::7']);
  });

  it('fails for one that there is not', async () => {
    using server = await nameServer({ 'some.test A': [192, 0, 2, 1] });
    await assert.rejects(server.dns.addresses('other.test'), /ENOTFOUND/);
  });

  it('finds where a service is offered, and nothing where there is none', async () => {
    // Priority 10, weight 5, port 8448, a.test.
    const place = [0, 10, 0, 5, 0x21, 0x00, 1, 0x61, 4, 0x74, 0x65, 0x73, 0x74, 0];
    using server = await nameServer({ '_matrix-fed._tcp.a.test SRV': place, 'b.test A': [192, 0, 2, 1] });
    assert.deepEqual(await server.dns.srv('_matrix-fed._tcp.a.test'), [
      { name: 'a.test', port: 8448, priority: 10, weight: 5 },
    ]);
    assert.deepEqual(await server.dns.srv('_matrix-fed._tcp.other.test'), []);
    assert.deepEqual(await server.dns.srv('b.test'), []);
  });
});
