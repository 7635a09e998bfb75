import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runOperation } from '../../src/admin/operations.ts';
import { backgroundTasks } from '../../src/jobs/tasks.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import type { DeviceNid, EventNid, UserNid } from '../../src/store/nids.ts';
import { Sweep } from '../../src/store/sweep.ts';
import { millis } from '../../src/util/brand.ts';
import { World } from '../support/servers/world.ts';

const minute = 60_000;
const hour = 60 * minute;

async function opened() {
  const world = await World.open({ registration: { mode: 'token' } });
  const { hs, clock } = world;
  const { db, stores, services } = hs;
  const sweep = new Sweep(db, stores.interning, { clock, serverName: asServerName('localhost') });
  const tasks = backgroundTasks({
    federation: services.federation,
    db,
    stores,
    sweep,
    media: services.media,
    ledger: { report: () => Promise.reject(new Error('not asked for')), watchSome: () => Promise.resolve(false) },
    mediaPruning: { slice: async () => false },
    catchUpRooms: { slice: async () => false },
    clock,
    uia: services.uia,
    accounts: services.accounts,
    mailAddresses: services.mailAddresses,
    e2ee: services.e2ee,
    rooms: services.rooms,
  });
  /** A whole round of one task, as often as it says that there is more; answers in how many slices. */
  const round = async (name: string) => {
    const task = tasks.find((each) => each.name === name);
    assert.ok(task, name);
    let slices = 1;
    while (await task.slice()) slices++;
    return slices;
  };
  const count = (table: 'event_txn' | 'uia_session' | 'login_token') =>
    db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get();
  return { world, hs, db, stores, clock, round, count };
}

describe('background tasks', () => {
  it('lock accounts that are good no longer, until the admin says that they are', async () => {
    const { world, hs, clock, round } = await opened();
    await using _ = world;
    const user = '@vera:localhost';
    await runOperation(hs.admin, 'user/add', { user: 'vera', password: 'good for a while' });
    const login = () =>
      world.call('POST', '/_matrix/client/v3/login', {
        body: { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: 'good for a while' },
      });
    const token = (await login()).json.access_token as string;
    const outcome = async () => {
      const { status, json } = await world.call('GET', '/_matrix/client/v3/account/whoami', { token });
      return status === 200 ? 'good' : `${status} ${json.errcode}`;
    };
    const until = clock.now() + hour;
    assert.deepEqual(await runOperation(hs.admin, 'user/set-validity', { user: 'vera', until }), {
      user_id: user,
      until,
    });
    clock.advance(hour - 1);
    await round('lock accounts that are good no longer');
    assert.equal(await outcome(), 'good');
    clock.advance(1);
    await round('lock accounts that are good no longer');
    assert.equal(await outcome(), '401 M_USER_LOCKED');
    assert.equal((await login()).json.errcode, 'M_USER_LOCKED');
    for (const more of [{ until: until + hour }, {}]) {
      await runOperation(hs.admin, 'user/set-validity', { user: 'vera', ...more });
      assert.equal(await outcome(), 'good');
    }
    clock.advance(24 * hour);
    await round('lock accounts that are good no longer');
    assert.equal(await outcome(), 'good', 'without an end it stays good');
    await hs.services.accounts.setLocked(user as never, true);
    await runOperation(hs.admin, 'user/set-validity', { user: 'vera', until: clock.now() + hour });
    assert.equal(await outcome(), '401 M_USER_LOCKED', 'what an admin has locked stays locked');
    await assert.rejects(
      async () => runOperation(hs.admin, 'user/set-validity', { user: 'nobody', until }),
      /no account|no such|nobody/i,
    );
  });

  it('forget transaction IDs after three days, in slices', async () => {
    const { world, db, stores, clock, round, count } = await opened();
    await using _ = world;
    const insert = (from: number, to: number) =>
      db.write<void>(() => {
        for (let i = from; i < to; i++) {
          stores.transactions.insert(1 as DeviceNid, `send ${i}`, (i + 1) as EventNid, millis(clock.now()));
        }
      });
    insert(0, 1200);
    clock.advance(72 * hour);
    insert(1200, 1210);
    assert.equal(await round('forget transaction IDs'), 1, 'nothing is older than that yet');
    clock.advance(1);
    assert.equal(await round('forget transaction IDs'), 3);
    assert.equal(count('event_txn'), 10);
  });

  it('forget interactive authentication that is over, and give registration tokens their use back', async () => {
    const { world, db, stores, clock, round, count } = await opened();
    await using _ = world;
    db.write<void>(() => void stores.registrationTokens.insert('once', 1, clock.now(), undefined));
    const register = (body: object) => world.call('POST', '/_matrix/client/v3/register', { body });
    const begun = await register({ username: 'ann', password: 'a long password' });
    const { session } = begun.json;
    const auth = { type: 'm.login.registration_token', token: 'once', session };
    await register({ username: 'ann', password: 'a long password', auth });
    const pending = () => stores.registrationTokens.find('once')?.pending;
    if (pending() === 0) assert.equal(stores.registrationTokens.find('once')?.used, 1);
    db.write<void>(() => {
      for (let i = 0; i < 250; i++) stores.uiaSessions.insert(`s${i}`, 'test', undefined, clock.now() + hour);
      stores.registrationTokens.insert('held', 1, clock.now(), undefined);
      stores.registrationTokens.count('held', { pending: 1, used: 0 });
      stores.uiaSessions.update('s7', ['m.login.registration_token'], { registrationToken: 'held' });
    });
    const before = count('uia_session') ?? 0;
    clock.advance(hour - 1);
    assert.equal(await round('forget interactive authentication that is over'), 1);
    assert.equal(count('uia_session'), before);
    clock.advance(1);
    assert.equal(await round('forget interactive authentication that is over'), 3);
    assert.equal(count('uia_session'), 0);
    assert.equal(stores.registrationTokens.find('held')?.pending, 0);
    assert.equal(pending(), 0);
  });

  it('forget login tokens that are over', async () => {
    const { world, db, stores, clock, round, count } = await opened();
    await using _ = world;
    const now = clock.now();
    db.write<void>(() => {
      stores.tokens.insertLogin(Buffer.from('old'), 1 as UserNid, now + 2 * minute);
      stores.tokens.insertLogin(Buffer.from('new'), 1 as UserNid, now + 4 * minute);
    });
    clock.advance(2 * minute);
    await round('forget login tokens that are over');
    assert.equal(count('login_token'), 1);
    assert.notEqual(
      db.write(() => stores.tokens.takeLogin(Buffer.from('new'))),
      undefined,
    );
  });
});
