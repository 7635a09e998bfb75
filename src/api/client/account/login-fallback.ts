import { endpoint } from '../../http/endpoint.ts';
import type { Endpoint } from '../../http/types.ts';
import { htmlPage } from './html-page.ts';

const form =
  '<form id="login"><p><label>User name<br><input name="user" autocomplete="username"></label></p>' +
  '<p><label>Password<br><input name="password" type="password" autocomplete="current-password"></label></p>' +
  '<button type="submit">Log in</button></form><p role="alert" id="problem"></p>';

// What is no secret may be given in the page's query and goes on to the login.
const script = `
const form = document.getElementById('login');
const problem = document.getElementById('problem');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  problem.textContent = '';
  const request = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: form.elements.user.value },
    password: form.elements.password.value,
  };
  const query = new URLSearchParams(location.search);
  for (const name of ['device_id', 'initial_device_display_name']) {
    if (query.has(name)) request[name] = query.get(name);
  }
  if (query.get('refresh_token') === 'true') request.refresh_token = true;
  try {
    const answer = await fetch('/_matrix/client/v3/login', { method: 'POST', body: JSON.stringify(request) });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.error);
    form.hidden = true;
    problem.textContent = 'Done. You can go back to your app.';
    if (window.matrixLogin && window.matrixLogin.onLogin) window.matrixLogin.onLogin(result);
  } catch (error) {
    problem.textContent = error.message;
  }
});
`;

/**
 * `GET /_matrix/static/client/login/`
 * A page that logs in for clients that know none of the ways to; hands the answer to `window.matrixLogin.onLogin`.
 * 200 HTML
 * @see https://spec.matrix.org/v1.19/client-server-api/#login-fallback
 */
export const loginFallbackEndpoint = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/static/client/login/',
    alsoAt: ['/_matrix/static/client/login'],
    serves: 'client',
    auth: 'none',
    body: 'none',
    handler: () => htmlPage(200, 'Log in', `${form}<script>${script}</script>`),
  });
