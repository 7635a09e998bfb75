import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hashPassword, needsRehash, verifyPassword } from '../../src/users/login/password-hash.ts';
import { Passwords } from '../../src/users/login/passwords.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { AccountServer, cheapPasswords } from '../support/servers/account-server.ts';

const salt = Buffer.from('0123456789abcdef');

describe('a stored password', () => {
  it('is a PHC string that carries its salt and cost', async () => {
    const stored = await hashPassword('secret', salt, cheapPasswords);
    assert.match(stored, /^\$scrypt\$ln=4,r=1,p=1\$MDEyMzQ1Njc4OWFiY2RlZg\$[A-Za-z0-9+/]{43}$/);
  });

  it('is the function of RFC 7914', async () => {
    // The RFC's second example: N = 1024, r = 8, p = 16, of which the first 32 bytes are kept here.
    const stored = await hashPassword('password', Buffer.from('NaCl'), { logN: 10, blockSize: 8, parallel: 16 });
    const key = Buffer.from(stored.split('$')[4] as string, 'base64').toString('hex');
    assert.equal(key, 'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162');
  });

  it('fits its password only', async () => {
    const stored = await hashPassword('pässword', salt, cheapPasswords);
    assert.equal(await verifyPassword('pässword', stored), true);
    assert.equal(await verifyPassword('pässword', stored), true, 'typed in another way');
    assert.equal(await verifyPassword('passwort', stored), false);
  });

  it('is outdated when the cost has changed', async () => {
    const stored = await hashPassword('x', salt, cheapPasswords);
    assert.equal(needsRehash(stored, cheapPasswords), false);
    assert.equal(needsRehash(stored, { ...cheapPasswords, logN: 5 }), true);
  });

  it('is made anew at the next login when it is outdated', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const { accounts } = server.services;
    const old = await hashPassword(alice.password, salt, { ...cheapPasswords, logN: 3 });
    const user = accounts.row(alice.userId as never)?.user as never;
    server.store.db.write<void>(() => server.store.stores.accounts.setPassword(user, old));
    assert.equal(await accounts.verifyPassword(accounts.rowOf(user), 'wrong'), false);
    assert.equal(accounts.rowOf(user)?.password, old);
    assert.equal(await accounts.verifyPassword(accounts.rowOf(user), alice.password), true);
    assert.match(accounts.rowOf(user)?.password ?? '', /^\$scrypt\$ln=4,/);
    assert.equal(await accounts.verifyPassword(accounts.rowOf(user), alice.password), true);
  });
});

describe('passwords', () => {
  it('have 8 characters at least, however many bytes they take', () => {
    const passwords = new Passwords(new SeededRandom(), cheapPasswords);
    passwords.checkStrength('12345678');
    passwords.checkStrength('ööööööää');
    for (const weak of ['', '1234567', '😀😀😀😀']) {
      assert.throws(() => passwords.checkStrength(weak), { errcode: 'M_WEAK_PASSWORD' });
    }
  });

  it('are hashed one at a time, and refused when too many wait', async () => {
    const passwords = new Passwords(new SeededRandom(), cheapPasswords);
    const hashes = Array.from({ length: 60 }, () => passwords.hash('12345678'));
    const outcomes = await Promise.allSettled(hashes);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(refused.length, 10);
    for (const { reason } of refused) assert.equal(reason.errcode, 'M_LIMIT_EXCEEDED');
    assert.match(await passwords.hash('12345678'), /^\$scrypt/, 'and taken again afterwards');
  });

  it('of nobody are compared all the same', async () => {
    const passwords = new Passwords(new SeededRandom(), cheapPasswords);
    assert.equal(await passwords.verify('', undefined), false);
    assert.equal(await passwords.verify('12345678', undefined), false);
  });
});
