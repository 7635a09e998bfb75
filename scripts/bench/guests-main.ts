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

const server = createServer({ cert, key }, (request, response) => {
  void text(request).then((body) => {
    const host = request.headers.host?.split(':')[0] ?? '';
    if (request.method === 'PUT') {
      seen.transactions++;
      seen.events += (JSON.parse(body) as { pdus: unknown[] }).pdus.length;
    }
    const answer = request.method === 'PUT' ? { pdus: {} } : publishedKeys(host);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
  });
});
server.on('secureConnection', () => seen.connections++);
server.listen(port, '127.0.0.1', () => process.send?.('ready'));
process.on('message', () => process.send?.(seen));
process.on('disconnect', () => process.exit());
