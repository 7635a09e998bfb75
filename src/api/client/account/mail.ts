import { confirmPath } from '../../../users/mail/mail-addresses.ts';
import { endpoint } from '../../http/endpoint.ts';
import type { Query } from '../../http/query.ts';
import { reply } from '../../http/reply.ts';
import type { Endpoint, Reply } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { escapeHtml, htmlPage } from './html-page.ts';

const path = confirmPath;

const badLink = (): Reply =>
  htmlPage(
    400,
    'This link does not work',
    '<p>It may be over, or a newer mail has come. Go back to your app and ask for another mail.</p>',
  );

const partsOf = (query: Query) =>
  [query.get('sid') ?? '', query.get('client_secret') ?? '', query.get('token') ?? ''] as const;

/**
 * `GET /_hearth/client/confirm_mail`
 * Where the link in a mail leads. It only asks: mail programs open links by themselves.
 * 200 HTML · 400 HTML the link is over or wrong
 */
const show = ({ mailAddresses }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    serves: 'client',
    auth: 'none',
    body: 'none',
    limit: 'other',
    handler({ query }) {
      const link = mailAddresses.linkOf(...partsOf(query));
      if (link === undefined) return badLink();
      const form = '<form method="post"><button type="submit">Yes, go on</button></form>';
      return htmlPage(200, 'Confirm your mail address', `<p>Is ${escapeHtml(link.address)} yours?</p>${form}`);
    },
  });

/**
 * `POST /_hearth/client/confirm_mail`
 * Confirms. 200 HTML, or 302 to where the client wanted to go on · 400 HTML
 */
const confirm = ({ mailAddresses }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path,
    serves: 'client',
    auth: 'none',
    body: 'none',
    limit: 'other',
    async handler({ query }) {
      const confirmed = await mailAddresses.confirm(...partsOf(query));
      if (confirmed === undefined) return badLink();
      if (confirmed.nextLink !== null) {
        return reply({ status: 302, headers: { Location: new URL(confirmed.nextLink).href }, body: '' });
      }
      return htmlPage(200, 'Confirmed', '<p>You can close this page and go back to your app.</p>');
    },
  });

/** The page behind the links in mails. */
export const mailEndpoints = (services: AccountServices): Endpoint[] => [show(services), confirm(services)];
