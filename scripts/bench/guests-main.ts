/** Started by `fan-out.ts`: very many servers in one process, which take everything they are told. */
import { createServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { signJson } from '../../src/protocol/signing/json.ts';
import { guestKey } from './guest-key.ts';

const { port, cert, key } = JSON.parse(process.argv[2] ?? '') as { port: number; cert: string; key: string };
const seen = { events: 0, transactions: 0, connections: 0 };
const day = 24 * 60 * 60 * 1000;

function publishedKeys(name: string) {
  const own = guestKey(name);
  const keys = {
    server_name: name,
    verify_keys: { [own.keyId]: { key: own.publicKeyBase64 } },
    old_verify_keys: {},
    valid_until_ts: Date.now() + day,
  };
  return signJson(keys, asServerName(name), own);
}

interface Wanted {
  readonly device_keys?: Readonly<Record<string, unknown>>;
  readonly one_time_keys?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const devices = Array.from({ length: 10 }, (_, index) => `GUESTDEV${index}`);
/** As long as real ones; nobody looks whether they are right. */
const publicKey = 'k'.repeat(43);
const signature = 's'.repeat(86);

/** What these users have uploaded, and one-time keys without end. */
function keysOf(path: string, wanted: Wanted) {
  const signed = (userId: string, deviceId: string) => ({ [userId]: { [`ed25519:${deviceId}`]: signature } });
  if (path.endsWith('/claim')) {
    const users = Object.entries(wanted.one_time_keys ?? {}).map(([userId, of]) => [
      userId,
      Object.fromEntries(
        Object.entries(of).map(([deviceId, algorithm]) => [
          deviceId,
          { [`${algorithm}:AAAA`]: { key: publicKey, signatures: signed(userId, deviceId) } },
        ]),
      ),
    ]);
    return { one_time_keys: Object.fromEntries(users) as unknown };
  }
  const users = Object.keys(wanted.device_keys ?? {}).map((userId) => [
    userId,
    Object.fromEntries(
      devices.map((deviceId) => [
        deviceId,
        {
          user_id: userId,
          device_id: deviceId,
          algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
          keys: { [`curve25519:${deviceId}`]: publicKey, [`ed25519:${deviceId}`]: publicKey },
          signatures: signed(userId, deviceId),
        },
      ]),
    ),
  ]);
  return { device_keys: Object.fromEntries(users) as unknown };
}

const server = createServer({ cert, key }, (request, response) => {
  void text(request).then((body) => {
    const host = request.headers.host?.split(':')[0] ?? '';
    if (request.method === 'PUT') {
      seen.transactions++;
      seen.events += (JSON.parse(body) as { pdus: unknown[] }).pdus.length;
    }
    const answer =
      request.method === 'PUT'
        ? { pdus: {} }
        : request.method === 'POST'
          ? keysOf(request.url ?? '', JSON.parse(body) as Wanted)
          : publishedKeys(host);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
  });
});
server.on('secureConnection', () => seen.connections++);
server.listen(port, '127.0.0.1', () => process.send?.('ready'));
process.on('message', () => process.send?.(seen));
process.on('disconnect', () => process.exit());
