import { reply } from '../../http/reply.ts';
import type { Reply } from '../../http/types.ts';

const headers = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  // Where a form may lead is left open: in the apps that show these pages the origin may be opaque.
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
};

/** A small page of the server's own. `title` and `body` are HTML. */
export function htmlPage(status: number, title: string, body: string): Reply {
  const html =
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<title>${title}</title><style>body{font-family:sans-serif;margin:2em auto;max-width:24em}</style></head>` +
    `<body><h1>${title}</h1>${body}</body></html>`;
  return reply({ status, headers, body: html });
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
