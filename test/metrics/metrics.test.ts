import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gauge, Histogram } from '../../src/metrics/series.ts';
import { World } from '../support/world.ts';

describe('the text format', () => {
  it('counts a value in its bucket and all above, escapes labels, and leaves out what is not known', () => {
    const histogram = new Histogram({ name: 'h', help: 'H.', labels: ['route'] }, [1, 2]);
    histogram.observe(0.5, ['a"b']);
    histogram.observe(2, ['a"b']);
    histogram.observe(9, ['a"b']);
    assert.deepEqual(
      [...histogram.lines()],
      [
        '# HELP h H.',
        '# TYPE h histogram',
        'h_bucket{route="a\\"b",le="1"} 1',
        'h_bucket{route="a\\"b",le="2"} 2',
        'h_bucket{route="a\\"b",le="+Inf"} 3',
        'h_sum{route="a\\"b"} 11.5',
        'h_count{route="a\\"b"} 3',
      ],
    );
    assert.deepEqual([...new Gauge({ name: 'g', help: 'G.' }, () => undefined).lines()], []);
  });
});

describe('GET /metrics', () => {
  const path = '/metrics';

  it('is not there unless switched on', async () => {
    await using world = await World.open();
    assert.equal((await world.call('GET', path)).status, 404);
  });

  it('tells of requests by their template, of transactions, memory and queues', async () => {
    await using world = await World.open({ metrics: { enabled: true } });
    const alice = await world.register('alice');
    await world.ok('POST', '/_matrix/client/v3/createRoom', alice, {});
    await world.call('GET', '/_matrix/client/v3/rooms/!nowhere:localhost/state', { token: alice });
    const answer = await world.call('GET', path);
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    for (const line of [
      /^hearth_http_request_seconds_count\{route="\/_matrix\/client\/v3\/createRoom",method="POST",status="2xx"\} 1$/m,
      /^hearth_http_request_seconds_count\{route="\/_matrix\/client\/v3\/rooms\/\{roomId\}\/state",method="GET",status="4xx"\} 1$/m,
      /^hearth_db_transaction_seconds_count\{kind="write"\} [1-9]/m,
      /^process_resident_memory_bytes \d{7,}$/m,
      /^hearth_event_loop_delay_seconds\{quantile="0.99"\} /m,
      /^hearth_db_bytes\{kind="file"\} \d+$/m,
      /^hearth_rooms 1$/m,
      /^hearth_queue_length\{queue="workers"\} \d+$/m,
    ]) {
      assert.match(answer.text, line);
    }
    // Every line is a comment or a sample.
    for (const line of answer.text.trimEnd().split('\n')) {
      assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [\d.e+-]+)$/);
    }
  });

  it('asks for the token where one is set', async () => {
    await using world = await World.open({ metrics: { enabled: true, token: 'secret' } });
    assert.equal((await world.call('GET', path)).json.errcode, 'M_MISSING_TOKEN');
    assert.equal((await world.call('GET', path, { token: 'guess' })).json.errcode, 'M_UNKNOWN_TOKEN');
    assert.equal((await world.call('GET', path, { token: 'secret' })).status, 200);
  });

  it('is answered by listeners for metrics only', async () => {
    await using world = await World.open({ metrics: { enabled: true } });
    const { Readable } = await import('node:stream');
    const call = {
      method: 'GET',
      url: path,
      headers: {},
      stream: Readable.from([]),
      ip: '192.0.2.1',
      signal: new AbortController().signal,
    };
    assert.equal((await world.hs.app.handle(call, new Set(['client', 'federation', 'admin']))).status, 404);
    assert.equal((await world.hs.app.handle(call, new Set(['metrics']))).status, 200);
  });
});
