import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Guessing } from '../../src/users/login/guessing.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

const refused = { status: 429, errcode: 'M_LIMIT_EXCEEDED' };

describe('guessing', () => {
  it('costs nothing five times, then doubles its wait up to a quarter of an hour', () => {
    const clock = new FakeClock();
    const guessing = new Guessing(clock);
    const waits: number[] = [];
    for (let i = 0; i < 16; i++) {
      guessing.check('alice', '192.0.2.1');
      guessing.failed('alice', '192.0.2.1');
      let wait = 0;
      try {
        guessing.check('alice', '192.0.2.1');
      } catch (error) {
        wait = (error as { fields: { retry_after_ms: number } }).fields.retry_after_ms;
      }
      waits.push(wait);
      clock.advance(wait);
    }
    assert.deepEqual(waits.slice(0, 8), [0, 0, 0, 0, 1000, 2000, 4000, 8000]);
    assert.equal(Math.max(...waits), 15 * 60_000);
  });

  it('from one address is slowed over all names', () => {
    const guessing = new Guessing(new FakeClock());
    for (let i = 0; i < 50; i++) guessing.failed(`user${i}`, '192.0.2.1');
    assert.throws(() => guessing.check('somebody', '192.0.2.1'), refused);
    guessing.check('somebody', '192.0.2.2');
  });

  it('of one name is slowed over all addresses, but the owner can soon try', () => {
    const clock = new FakeClock();
    const guessing = new Guessing(clock);
    for (let i = 0; i < 1000; i++) guessing.failed('alice', `2001:db8::${i.toString(16)}`);
    assert.throws(() => guessing.check('alice', '192.0.2.1'), refused);
    clock.advance(30_000);
    guessing.check('alice', '192.0.2.1');
  });

  it('is no matter of those who get it right', () => {
    const guessing = new Guessing(new FakeClock());
    for (let i = 0; i < 1000; i++) {
      guessing.check('alice', '192.0.2.1');
      guessing.failed('alice', '192.0.2.1');
      guessing.succeeded('alice', '192.0.2.1');
    }
    guessing.check('bob', '192.0.2.1');
  });

  it('is forgiven with time', () => {
    const clock = new FakeClock();
    const guessing = new Guessing(clock);
    for (let i = 0; i < 4; i++) guessing.failed('alice', '192.0.2.1');
    clock.advance(40 * 60_000);
    for (let i = 0; i < 4; i++) guessing.failed('alice', '192.0.2.1');
    guessing.check('alice', '192.0.2.1');
  });

  it('fills no memory', () => {
    const guessing = new Guessing(new FakeClock());
    for (let i = 0; i < 50_000; i++) guessing.failed(`user${i}`, `address${i}`);
    for (let i = 0; i < 5; i++) guessing.failed('alice', '192.0.2.1');
    assert.throws(() => guessing.check('alice', '192.0.2.1'), refused);
  });
});
