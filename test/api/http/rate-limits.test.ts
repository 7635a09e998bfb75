import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addressKey, type RateLimitSettings, RateLimits } from '../../../src/api/http/rate-limits.ts';
import type { Requester } from '../../../src/users/login/requester.ts';
import { FakeClock } from '../../support/stubs/fake-clock.ts';

const limit = { perSecond: 2, burst: 4 };
const settings: RateLimitSettings = {
  enabled: true,
  messages: limit,
  joins: limit,
  rooms: limit,
  invites: limit,
  media: limit,
  login: limit,
  registration: limit,
  reading: limit,
  other: limit,
  federation: limit,
};

const person = (user: number, device: number, admin = false) => ({ user, device, admin }) as unknown as Requester;

/** 0: admitted; else the milliseconds to wait. */
function waitOf(admit: () => void): number {
  try {
    admit();
    return 0;
  } catch (error) {
    const { status, errcode, fields, headers } = error as {
      status: number;
      errcode: string;
      fields: { retry_after_ms: number };
      headers: { 'Retry-After': string };
    };
    assert.deepEqual([status, errcode], [429, 'M_LIMIT_EXCEEDED']);
    assert.equal(headers['Retry-After'], String(Math.max(1, Math.ceil(fields.retry_after_ms / 1000))));
    return fields.retry_after_ms;
  }
}

function admitted(count: number, admit: (i: number) => void): number {
  return Array.from({ length: count }, (_, i) => waitOf(() => admit(i))).filter((wait) => wait === 0).length;
}

describe('rate limits', () => {
  it('let a burst through, say how long to wait, and are right about it', () => {
    const clock = new FakeClock();
    const limits = new RateLimits(settings, clock);
    const alice = person(1, 1);
    assert.equal(
      admitted(10, () => limits.admit('messages', '192.0.2.1', alice)),
      4,
    );
    const wait = waitOf(() => limits.admit('messages', '192.0.2.1', alice));
    assert.equal(wait, 500);
    clock.advance(wait - 1);
    assert.equal(
      waitOf(() => limits.admit('messages', '192.0.2.1', alice)),
      1,
    );
    clock.advance(1);
    assert.equal(
      waitOf(() => limits.admit('messages', '192.0.2.1', alice)),
      0,
    );
  });

  it('count kinds of actions apart', () => {
    const limits = new RateLimits(settings, new FakeClock());
    const alice = person(1, 1);
    assert.equal(
      admitted(5, () => limits.admit('messages', '192.0.2.1', alice)),
      4,
    );
    assert.equal(
      admitted(5, () => limits.admit('joins', '192.0.2.1', alice)),
      4,
    );
  });

  const shares: readonly [string, number, (limits: RateLimits, i: number) => void][] = [
    ['a device once', 4, (limits, i) => limits.admit('messages', `192.0.2.${i % 250}`, person(1, 1))],
    ['a user twice', 8, (limits, i) => limits.admit('messages', `192.0.2.${i % 250}`, person(1, i))],
    ['an address ten times', 40, (limits, i) => limits.admit('messages', '192.0.2.1', person(i, i))],
    ['an IPv6 /64 ten times', 40, (limits, i) => limits.admit('messages', `2001:db8::${i}`, person(i, i))],
    ['a stranger’s address once', 4, (limits) => limits.admit('login', '192.0.2.1', undefined)],
    ['a stranger’s IPv6 /64 once', 4, (limits, i) => limits.admit('login', `2001:db8::${i}`, undefined)],
    ['every address of strangers', 100, (limits, i) => limits.admit('login', `2001:db8:0:${i}::1`, undefined)],
    ['an admin always', 100, (limits) => limits.admit('messages', '192.0.2.1', person(1, 1, true))],
  ];
  for (const [who, expected, admit] of shares) {
    it(`give their share to ${who}`, () => {
      const limits = new RateLimits(settings, new FakeClock());
      assert.equal(
        admitted(100, (i) => admit(limits, i)),
        expected,
      );
    });
  }

  it('do nothing when switched off', () => {
    const limits = new RateLimits({ ...settings, enabled: false }, new FakeClock());
    assert.equal(
      admitted(100, () => limits.admit('login', '192.0.2.1', undefined)),
      100,
    );
    assert.equal(limits.size, 0);
  });

  it('never let more through than the burst and what comes back in time, whatever the pattern', () => {
    const pattern = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 });
    fc.assert(
      fc.property(pattern, (pauses) => {
        const clock = new FakeClock();
        const limits = new RateLimits(settings, clock);
        const times: number[] = [];
        for (const pause of pauses) {
          clock.advance(pause);
          if (waitOf(() => limits.admit('login', '192.0.2.1', undefined)) === 0) times.push(clock.monotonic());
        }
        times.forEach((start, from) => {
          times.slice(from).forEach((end, count) => {
            assert.ok(count + 1 <= limit.burst + ((end - start) / 1000) * limit.perSecond + 1e-9);
          });
        });
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

describe('a flood of addresses', () => {
  const address = (i: number) => `2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`;

  it('takes bounded memory', () => {
    const limits = new RateLimits(settings, new FakeClock());
    for (let i = 0; i < 100_000; i++) waitOf(() => limits.admit('login', address(i), undefined));
    assert.ok(limits.size <= 2 * 8192 + 16, `${limits.size} buckets`);
  });

  it('forgives nobody, and takes nothing from those who were counted before or are logged in', () => {
    const limits = new RateLimits(settings, new FakeClock());
    const alice = person(1, 1);
    admitted(10, () => limits.admit('login', '192.0.2.1', undefined));
    waitOf(() => limits.admit('login', '192.0.2.2', undefined));
    for (let i = 0; i < 20_000; i++) waitOf(() => limits.admit('login', address(i), undefined));
    assert.ok(waitOf(() => limits.admit('login', '192.0.2.1', undefined)) > 0);
    assert.equal(
      admitted(10, () => limits.admit('login', '192.0.2.2', undefined)),
      3,
    );
    assert.equal(
      waitOf(() => limits.admit('messages', '192.0.2.3', alice)),
      0,
    );
  });

  it('lets the newcomers share a place of their own, and makes room once debts are paid', () => {
    const clock = new FakeClock();
    const limits = new RateLimits(settings, clock);
    assert.equal(
      admitted(20_000, (i) => limits.admit('login', address(i), undefined)),
      8192 + 40,
    );
    clock.advance(500);
    assert.equal(
      waitOf(() => limits.admit('login', '192.0.2.9', undefined)),
      0,
    );
    assert.ok(limits.size <= 8193);
  });
});

describe('an address', () => {
  const keys: readonly [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::6', '2001:db8:1:2::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['1:2:3::4:5:192.0.2.1', '1:2:3:0::/64'],
    ['', ''],
  ];
  for (const [ip, key] of keys) it(`${ip} counts as ${key}`, () => assert.equal(addressKey(ip), key));
});
