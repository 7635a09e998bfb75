import { invalidParam, MatrixError, unrecognized } from '../../../protocol/errors.ts';
import { type StageName, stageNames } from '../../../users/login/uia-stages.ts';
import type { JsonObject } from '../../../util/json.ts';
import { readBody } from '../../http/body.ts';
import { endpoint } from '../../http/endpoint.ts';
import { Query } from '../../http/query.ts';
import type { Endpoint, Reply } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { escapeHtml, htmlPage } from './html-page.ts';

interface Form {
  readonly title: string;
  readonly fields: string;
}

const forms: { readonly [Stage in StageName]: Form } = {
  'm.login.dummy': { title: 'Continue', fields: '' },
  'm.login.password': {
    title: 'Confirm with your password',
    fields:
      '<p><label>User name<br><input name="user" autocomplete="username"></label></p>' +
      '<p><label>Password<br><input name="password" type="password" autocomplete="current-password"></label></p>',
  },
  'm.login.registration_token': {
    title: 'Enter your registration token',
    fields: '<p><label>Token<br><input name="token" autocomplete="off"></label></p>',
  },
  'm.login.terms': { title: 'Accept the terms', fields: '' },
  'm.login.email.identity': {
    title: 'Confirm your mail address',
    fields: '<p><label>Mail address<br><input name="email" type="email" autocomplete="email"></label></p>',
  },
};

/** The mail is under way; what it was asked for by comes back with the form, so that nothing has to be kept here. */
function mailSent(sid: string, secret: string): Form {
  const hidden = (name: string, value: string) => `<input name="${name}" type="hidden" value="${escapeHtml(value)}">`;
  const text = '<p>Open the link in the mail that you have been sent, then go on here.</p>';
  return { title: 'Look into your mail', fields: text + hidden('sid', sid) + hidden('secret', secret) };
}

/** What a stage asks for; the terms are links to the documents. */
function formOf(stage: StageName, { registration }: AccountServices): Form {
  const form = forms[stage];
  if (stage !== 'm.login.terms') return form;
  const links = registration.terms.map(
    ({ name, url, language }) =>
      `<li><a href="${escapeHtml(url)}" hreflang="${escapeHtml(language)}" target="_blank" rel="noopener">${escapeHtml(name)}</a></li>`,
  );
  return { ...form, fields: `<p>By going on you accept:</p><ul>${links.join('')}</ul>` };
}

/** As the specification demands: tells the window that opened this page, or the app around it. */
const doneScript =
  'if (window.onAuthDone) { window.onAuthDone(); }' +
  ' else if (window.opener && window.opener.postMessage) { window.opener.postMessage("authDone", "*"); }';

const maxForm = 16 * 1024;

const formPage = (status: number, { title, fields }: Form, problem = ''): Reply =>
  // Without an action the form goes to the page's own address, the session included.
  htmlPage(status, title, `${problem}<form method="post">${fields}<button type="submit">Continue</button></form>`);

const donePage = (): Reply =>
  htmlPage(200, 'Done', `<p>You can close this window and go back to your app.</p><script>${doneScript}</script>`);

function stageOf(type: string, { mailAddresses }: AccountServices): StageName {
  const stage = stageNames.find((name) => name === type);
  if (stage === undefined || (stage === 'm.login.email.identity' && !mailAddresses.enabled)) throw unrecognized();
  return stage;
}

/** What a form has filled in. */
type Filled = Readonly<Record<string, string>>;

/** First the address, to which a mail is sent; then, when its link was opened, what shows that. */
async function mailStep(
  { uia, mailAddresses }: AccountServices,
  session: string,
  { email = '', sid, secret }: Filled,
): Promise<{ readonly auth: JsonObject } | { readonly form: Form }> {
  if (sid !== undefined && secret !== undefined) return { auth: { threepid_creds: { sid, client_secret: secret } } };
  const wish = { email, clientSecret: uia.newSecret(), sendAttempt: 1, nextLink: undefined };
  const purpose = uia.sessionForFallback(session)?.isRegistration === true ? 'registration' : 'password';
  return { form: mailSent(await mailAddresses.request(purpose, wish), wish.clientSecret) };
}

const path = '/_matrix/client/v3/auth/{authType}/fallback/web';

/**
 * `GET /_matrix/client/v3/auth/{authType}/fallback/web`
 * A page on which a person completes one stage of user-interactive authentication, for clients that cannot.
 * 200 HTML · 400 M_MISSING_PARAM, M_INVALID_PARAM no such session · 404 M_UNRECOGNIZED no such stage
 * @see https://spec.matrix.org/v1.19/client-server-api/#fallback
 */
const show = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'none',
    body: 'none',
    handler({ params, query }) {
      const stage = stageOf(params.authType, services);
      const session = services.uia.sessionForFallback(query.required('session'));
      if (session === undefined) throw invalidParam('This authentication session is unknown or over');
      return session.completed.includes(stage) ? donePage() : formPage(200, formOf(stage, services));
    },
  });

/**
 * `POST /_matrix/client/v3/auth/{authType}/fallback/web`
 * Takes that page's form. 200 HTML · 400, 401, 403, 404, 429, 500 as HTML with the form again
 * @see https://spec.matrix.org/v1.19/client-server-api/#fallback
 */
const complete = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path,
    auth: 'none',
    body: 'stream',
    limit: 'registration',
    async handler({ params, query, headers: given, stream, ip }) {
      const { uia } = services;
      const stage = stageOf(params.authType, services);
      const session = query.required('session');
      if (uia.sessionForFallback(session) === undefined) {
        throw invalidParam('This authentication session is unknown or over');
      }
      const filled = filledIn(new Query((await readBody({ headers: given, stream }, maxForm)).toString('utf8')));
      const { sid, secret } = filled;
      // Whoever has not opened the link yet is asked again, and gets no second mail.
      const asked = sid !== undefined && secret !== undefined ? mailSent(sid, secret) : formOf(stage, services);
      try {
        const isMail = stage === 'm.login.email.identity';
        const step = isMail ? await mailStep(services, session, filled) : { auth: { ...filled } };
        if ('form' in step) return formPage(200, step.form);
        await uia.completeByFallback(session, stage, step.auth, ip);
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error;
        return formPage(error.status, asked, `<p role="alert">${escapeHtml(error.message)}</p>`);
      }
      return donePage();
    },
  });

function filledIn(form: Query): Filled {
  const names = ['user', 'password', 'token', 'email', 'sid', 'secret'];
  const filled = names.map((name): [string, string] => [name, form.get(name) ?? '']);
  return Object.fromEntries(filled.filter(([, value]) => value !== ''));
}

export const uiaFallbackEndpoints = (services: AccountServices): Endpoint[] => [show(services), complete(services)];
