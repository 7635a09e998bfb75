import type { JudgedRow } from './endpoint-list.ts';

/** What a module of the specification comes with, where it is not served. */
const comesWith: { readonly [module: string]: string } = {
  appservice: 'application services',
  matrixrtc: 'MatrixRTC',
  media: 'URL previews',
  oauth: 'OAuth 2.0',
  'qr-login': 'OAuth 2.0',
  'sliding-sync': 'sliding sync',
  sso: 'OAuth 2.0',
  'thread-subscriptions': 'thread subscriptions',
};

const pushGateway = '/_matrix/push/v1/notify';

/** One line of the guide's table. */
function line(row: JudgedRow): string {
  const name = `\`${row.method} ${row.path}\`${row.deprecated ? ' (deprecated)' : ''}${row.released ? '' : ' (unstable)'}`;
  return `| ${name} | ${verdict(row)} |`;
}

function verdict({ path, module, served, outcomes }: JudgedRow): string {
  if (path === pushGateway) return 'called by the pushers, tested against a gateway over HTTP';
  if (!served) return `comes with ${comesWith[module] ?? module.replaceAll('-', ' ')}`;
  return `served and tested by ${outcomes.join(', ')}`;
}

/** The whole of docs/endpoints.md. */
export function endpointGuide(rows: readonly JudgedRow[]): string {
  const served = rows.filter((row) => row.served).length;
  return [
    '# Endpoints',
    '',
    'Written by `scripts/generate-endpoints.ts` from the inventory of the specification in `test/vectors/endpoints.tsv`, from',
    'what the router serves, and from what the last run of all tests asked and got as answers.',
    '',
    `${served} of ${rows.length} are served.`,
    '',
    '| endpoint | here |',
    '|---|---|',
    ...rows.map(line),
    '',
  ].join('\n');
}

/** The names of the endpoints that a guide says are served. */
export function servedIn(guide: string): string[] {
  return [...guide.matchAll(/^\| `([^`]+)`[^|]*\| served/gm)].map((match) => match[1] ?? '');
}
