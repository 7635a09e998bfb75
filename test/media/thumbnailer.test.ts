import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { helperCommand } from '../../src/media/helper-command.ts';
import { Thumbnailer } from '../../src/media/thumbnailer.ts';
import { type LogFields, silentLog } from '../../src/util/log.ts';
import { picturePng } from '../support/pictures.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

const size = { width: 32, height: 32, method: 'scale', animated: false } as const;
const maxPixels = 1_000_000;

describe('pictures that are made smaller', () => {
  it('do not wait for one that the disk does not give, which is told to whoever wants it and to the log', async () => {
    const logged: [string, LogFields | undefined][] = [];
    const log = { ...silentLog, error: (event: string, fields?: LogFields) => logged.push([event, fields]) };
    const thumbnailer = new Thumbnailer({ command: helperCommand(), clock: new FakeClock(), log });
    const broken = (): Buffer => {
      throw new Error('disk I/O error');
    };
    const pictures = [broken, () => picturePng(100, 100), broken, broken, () => picturePng(64, 64)];
    const made = await Promise.all(pictures.map((picture) => thumbnailer.make(picture, size, maxPixels)));
    thumbnailer.close();
    assert.deepEqual(
      made.map(({ kind }) => kind),
      ['failed', 'made', 'failed', 'failed', 'made'],
    );
    assert.deepEqual(
      logged.map(([event]) => event),
      Array(3).fill('media.picture_not_read'),
    );
  });
});
