import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { millis } from '../../src/util/brand.ts';
import { createPinoLog } from '../../src/util/pino-log.ts';

const clock = { now: () => millis(0), isRight: true, monotonic: () => 0, after: () => () => {} };

function record(level: 'debug' | 'warn') {
  const lines: Record<string, unknown>[] = [];
  const log = createPinoLog({ level, clock, output: { write: (line) => void lines.push(JSON.parse(line)) } });
  return { log, lines };
}

describe('the log', () => {
  it('writes one JSON line with level, time, event and fields', () => {
    const { log, lines } = record('debug');
    log.child('rooms').info('room.created', { roomId: '!a:b' });
    const time = '1970-01-01T00:00:00.000Z';
    assert.deepEqual(lines, [{ level: 'info', time, component: 'rooms', roomId: '!a:b', event: 'room.created' }]);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = record('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    assert.deepEqual(
      lines.map((line) => line['event']),
      ['c', 'd'],
    );
  });

  it('writes errors with their stack', () => {
    const { log, lines } = record('warn');
    log.error('x', { error: new Error('boom') });
    const error = lines[0]?.['error'] as { message: string; stack: string };
    assert.equal(error.message, 'boom');
    assert.match(error.stack, /pino-log\.test/);
  });
});
