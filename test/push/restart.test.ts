import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Person } from '../support/clients/person.ts';
import { ServerProcess } from '../support/servers/server-process.ts';
import { GatewayStub } from '../support/stubs/gateway-stub.ts';

/** A server with two people in a room, one of whom has a phone that rings through the gateway. */
async function phone(gateway: GatewayStub) {
  const server = await ServerProcess.start({ toml: '[network]\nallow_ip_ranges = ["127.0.0.0/8"]\n' });
  const [alice, bob] = [await Person.register(server.port, 'alice'), await Person.register(server.port, 'bob')];
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
  return { server, alice, bob, room };
}

describe('what must ring', () => {
  it('rings in order over kills in the midst of ringing, at most one event of it twice for each kill', async () => {
    await using gateway = await GatewayStub.open();
    gateway.answer = { status: 503, body: '' };
    const scene = await phone(gateway);
    let { server } = scene;
    try {
      const said: string[] = [];
      for (let i = 0; i < 60; i++) said.push(await scene.alice.say(scene.room, `${i}`));
      for (const person of [scene.alice, scene.bob]) person.close();
      gateway.answer = { status: 200, body: '{}' };
      for (const heard of [7, 20, 40]) {
        await gateway.until(({ rang }) => rang.length >= heard);
        await server.stop('SIGKILL');
        server = await server.restart();
      }
      await gateway.until(({ rang }) => rang.includes(said.at(-1) ?? ''));
      const once = gateway.rang.filter((event, i, all) => event !== all[i - 1]);
      assert.deepEqual(once, said);
      assert.ok(gateway.rang.length <= said.length + 3, `${gateway.rang.length} rings`);
    } finally {
      await server.remove();
    }
  });

  it('rings once, over an outage of the gateway, a clean restart and a crash', async () => {
    await using gateway = await GatewayStub.open();
    const scene = await phone(gateway);
    const { room } = scene;
    let { server, alice, bob } = scene;
    try {
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
    }
  });
});
