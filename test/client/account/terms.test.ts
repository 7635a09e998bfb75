import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const document = { id: 'privacy', version: '1.2', name: 'Privacy & cookies', url: 'https://example.org/en' };
const german = { ...document, name: 'Datenschutz', url: 'https://example.org/de', language: 'de' };
const path = '/_matrix/client/v3/register';
const wish = { username: 'alice', password: 'long enough' };

const open = (mode = 'open') => World.open({ registration: { mode, terms: [document, german] } });

describe('terms at registration', () => {
  it('are shown in all languages, and accepted by going on', async () => {
    await using world = await open();
    const asked = await world.call('POST', path, { body: wish });
    assert.equal(asked.status, 401);
    assert.deepEqual(asked.json.flows, [{ stages: ['m.login.terms'] }]);
    assert.deepEqual(asked.json.params['m.login.terms'].policies, {
      privacy: {
        version: '1.2',
        en: { name: 'Privacy & cookies', url: document.url },
        de: { name: 'Datenschutz', url: german.url },
      },
    });
    const auth = { type: 'm.login.terms', session: asked.json.session };
    const done = await world.call('POST', path, { body: { ...wish, auth } });
    assert.deepEqual([done.status, done.json.user_id], [200, '@alice:localhost']);
  });

  it('cannot be left out', async () => {
    await using world = await open();
    const answer = await world.call('POST', path, { body: { ...wish, auth: { type: 'm.login.dummy' } } });
    assert.equal(answer.status, 401);
    assert.equal(world.hs.services.accounts.isTaken('@alice:localhost' as never), false);
  });

  it('come after the registration token where one is needed', async () => {
    await using world = await open('token');
    world.hs.services.registrationTokens.create({ token: 'sesame', uses: 1, lifetime: undefined });
    const asked = await world.call('POST', path, { body: wish });
    assert.deepEqual(asked.json.flows, [{ stages: ['m.login.registration_token', 'm.login.terms'] }]);
    const { session } = asked.json;
    const next = await world.call('POST', path, {
      body: { ...wish, auth: { type: 'm.login.registration_token', token: 'sesame', session } },
    });
    assert.deepEqual([next.status, next.json.completed], [401, ['m.login.registration_token']]);
    assert.ok(next.json.params['m.login.terms']);
    const done = await world.call('POST', path, { body: { ...wish, auth: { type: 'm.login.terms', session } } });
    assert.equal(done.status, 200);
  });

  it('have a page for clients that cannot show them', async () => {
    await using world = await open();
    const asked = await world.call('POST', path, { body: wish });
    const { session } = asked.json;
    const fallback = `/_matrix/client/v3/auth/m.login.terms/fallback/web?session=${session}`;
    const page = await world.call('GET', fallback);
    assert.equal(page.status, 200);
    assert.match(page.text, /<a href="https:\/\/example\.org\/en"[^>]*>Privacy &amp; cookies</);
    assert.match(page.text, /Datenschutz/);
    assert.match((await world.call('POST', fallback, { body: '' })).text, /onAuthDone/);
    const done = await world.call('POST', path, { body: { ...wish, auth: { session } } });
    assert.equal(done.status, 200);
  });

  it('are not asked for where there are none', async () => {
    await using world = await World.open();
    const asked = await world.call('POST', path, { body: wish });
    assert.deepEqual([asked.json.flows, asked.json.params], [[{ stages: ['m.login.dummy'] }], {}]);
  });
});
