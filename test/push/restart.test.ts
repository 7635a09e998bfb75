import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayStub } from '../support/gateway-stub.ts';
import { Person } from '../support/person.ts';
import { ServerProcess } from '../support/server-process.ts';

describe('what must ring', () => {
  it('rings once, over an outage of the gateway, a clean restart and a crash', async () => {
    const gateway = await GatewayStub.open();
    let server = await ServerProcess.start({ toml: '[network]\nallow_ip_ranges = ["127.0.0.0/8"]\n' });
    try {
      let [alice, bob] = [await Person.register(server.port, 'alice'), await Person.register(server.port, 'bob')];
      const room = await alice.createRoom({ preset: 'public_chat' });
      await bob.join(room);
      await bob.call('POST', '/_matrix/client/v3/pushers/set', {
        kind: 'http',
        app_id: 'app',
        pushkey: 'key',
        app_display_name: 'App',
        device_display_name: 'Phone',
        lang: 'en',
        data: { url: gateway.url, format: 'event_id_only' },
      });
      const said = [await alice.say(room, 'well')];
      await gateway.until(({ rang }) => rang.length === 1);

      gateway.answer = { status: 503, body: '' };
      said.push(await alice.say(room, 'while the gateway is down'));
      await gateway.until(({ requests }) => requests === 2);
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        said.push(await alice.say(room, `before ${signal}`));
        for (const person of [alice, bob]) person.close();
        await server.stop(signal);
        if (signal === 'SIGKILL') gateway.answer = { status: 200, body: '{}' };
        server = await server.restart();
        [alice, bob] = [alice.at(server.port), bob.at(server.port)];
      }
      await gateway.until(({ rang }) => rang.length >= said.length);
      said.push(await alice.say(room, 'well again'));
      await gateway.until(({ rang }) => rang.length >= said.length);
      assert.deepEqual(gateway.rang, said);
      for (const person of [alice, bob]) person.close();
    } finally {
      await server.remove();
      await gateway[Symbol.asyncDispose]();
    }
  });
});
