import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StreamPos } from '../../src/store/nids.ts';
import { pageToken, parseToken, syncToken, tokenAge } from '../../src/streams/tokens.ts';

const natural = fc.maxSafeNat();

describe('tokens', () => {
  it('have the forms h1_<epoch>_<position> and h1p_<epoch>_<segment>_<index>', () => {
    assert.equal(syncToken(1, 42 as StreamPos), 'h1_1_42');
    assert.equal(pageToken(2, 7, -3), 'h1p_2_7_-3');
  });

  it('say how far messages to the device go where that is not as far as the rest', () => {
    const token = syncToken(1, 42 as StreamPos, 7 as StreamPos);
    assert.equal(token, 'h1_1_42d7');
    assert.deepEqual(parseToken(token), { kind: 'sync', epoch: 1, pos: 42, toDevice: 7 });
    for (const text of ['h1_1_42d', 'h1_1_42d-1', 'h1_1_42d07', 'h1_1_42d7d7'])
      assert.equal(parseToken(text), undefined);
  });

  it('round-trip', () => {
    fc.assert(
      fc.property(natural, natural, fc.maxSafeInteger(), (epoch, number, idx) => {
        assert.deepEqual(parseToken(syncToken(epoch, number as StreamPos)), { kind: 'sync', epoch, pos: number });
        assert.deepEqual(parseToken(pageToken(epoch, number, idx)), { kind: 'page', epoch, segment: number, idx });
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  const garbage = [
    [
      '',
      'h1',
      'h1_',
      'h1_1',
      'h1_1_',
      'h1_1_2_3',
      'h1_1_x',
      'h1_1_-1',
      'h1_01_1',
      'h1_1_1 ',
      ' h1_1_1',
      'h1_1_1\n',
      'h1_1_1.0',
    ],
    [
      'h1_1_9007199254740992',
      'h1_1_99999999999999999',
      'h1_1_1e3',
      'h1_1_0x1',
      'h1p_1_1',
      'h1p_1_1_',
      'h1p_1_1_-0',
      'h1p_1_-1_1',
    ],
    ['h1p_1_1_1_1', 'h2_1_1', 's72595_4483_1934', 't47429-4392820_219380_26003_2265', 'H1_1_1', 'h1_１_1'],
  ].flat();
  for (const text of garbage) it(`refuse ${JSON.stringify(text)}`, () => assert.equal(parseToken(text), undefined));

  it('take no text that they would not give', () => {
    const near = fc.stringMatching(/^h1p?(_-?[0-9]{0,17}){0,4}$/);
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), (text) => {
        const token = parseToken(text);
        if (token?.kind === 'sync') assert.equal(syncToken(token.epoch, token.pos), text);
        if (token?.kind === 'page') assert.equal(pageToken(token.epoch, token.segment, token.idx), text);
      }),
      { seed: 6, numRuns: 500 },
    );
  });

  it('are told apart by epoch: a restore makes older ones meaningless', () => {
    const token = parseToken('h1_3_100');
    assert.ok(token);
    assert.deepEqual(
      [2, 3, 4].map((epoch) => tokenAge(token, epoch)),
      ['unknown', 'current', 'older'],
    );
  });
});
