import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Person } from '../support/clients/person.ts';
import { ServerProcess } from '../support/servers/server-process.ts';

/** What a reader of the format takes for a line. */
const sample = /^[a-z_]+(\{[a-z_]+="(\\.|[^"\\])*"(,[a-z_]+="(\\.|[^"\\])*")*\})? -?(\d|\+Inf|NaN)[0-9.e+-]*$/;

describe('GET /metrics', () => {
  it('is served on a listener of its own to those who have the token', async () => {
    const toml = '[metrics]\nenabled = true\nport = 0\ntoken = "of prometheus"\n';
    const server = await ServerProcess.start({ toml });
    try {
      const alice = await Person.register(server.port, 'alice');
      const room = await alice.createRoom();
      await alice.say(room, 'Hello');
      await assert.rejects(alice.call('PUT', '/_matrix/client/v3/rooms/!no:hearth.test/send/m.x/1', {}));
      alice.close();
      const place = /"listen":"(127\.0\.0\.1:\d+)","event":"metrics\.ready"/.exec(server.log)?.[1];
      const url = `http://${place}/metrics`;
      assert.equal((await fetch(url)).status, 401);
      assert.equal((await fetch(`${server.url}/metrics`)).status, 404);
      const answer = await fetch(url, { headers: { authorization: 'Bearer of prometheus' } });
      assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
      const lines = (await answer.text()).trimEnd().split('\n');
      for (const line of lines) assert.ok(/^# (HELP|TYPE) [a-z_]+ /.test(line) || sample.test(line), line);

      const figure = (name: string) =>
        Number(
          lines
            .find((line) => line.startsWith(`${name} `))
            ?.split(' ')
            .at(-1),
        );
      assert.equal(figure('hearth_rooms'), 1);
      assert.equal(figure('hearth_accounts'), 1);
      assert.equal(figure('hearth_memory_level'), 0);
      assert.equal(figure('hearth_disk_level'), 0);
      assert.ok(figure('hearth_memory_budget_bytes') >= 64 * 2 ** 20);
      assert.ok(figure('hearth_disk_free_bytes') > 0);
      assert.ok(figure('process_resident_memory_bytes') > 1e7);
      assert.ok(figure('hearth_event_loop_delay_seconds{quantile="0.99"}') >= 0);
      assert.equal(figure('hearth_queue_length{queue="deferred_events"}'), 0);
      const send = 'method="PUT",path="/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}"';
      assert.equal(figure(`hearth_request_seconds_count{${send},status="2xx"}`), 1);
      assert.equal(figure(`hearth_request_seconds_count{${send},status="4xx"}`), 1);
      assert.equal(figure(`hearth_request_seconds_bucket{${send},status="2xx",le="+Inf"}`), 1);
      assert.ok(figure('hearth_query_seconds_count{kind="run"}') > 10);
      assert.equal(await server.stop(), 0);
    } finally {
      await server.remove();
    }
  });
});
