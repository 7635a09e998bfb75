import { readFileSync } from 'node:fs';
import { shapeOf } from './endpoint-list.ts';

/** An answer other than success that the specification names for an endpoint. */
export interface NamedError {
  readonly method: string;
  readonly path: string;
  readonly status: string;
  /** Empty where only the status is named. */
  readonly errcode: string;
}

const vector = new URL('../vectors/named-errors.tsv', import.meta.url);

export function namedErrors(): NamedError[] {
  const [, ...lines] = readFileSync(vector, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [method = '', path = '', status = '', errcode = ''] = line.split('\t');
    return { method, path, status, errcode };
  });
}

interface Exception {
  /** `GET /path 403 M_FORBIDDEN` is among those that this matches. */
  readonly which: RegExp;
  readonly why: string;
}

/** What the specification names and this server never answers. */
export const neverHere: readonly Exception[] = [
  {
    which: /\/media\/v3\/(download|thumbnail).* [345]\d\d /,
    why: 'files are given to users only: the old way to ask for them is always 404',
  },
  { which: /\/media\/.* 30[78] $/, why: 'files are sent by this server itself, and by no other on its behalf' },
  {
    which: /(upload|media\/v1\/create) 403 M_FORBIDDEN$/,
    why: 'every kind of file may be uploaded, and no user has a quota',
  },
  {
    which: /requestToken 400 M_SERVER_NOT_TRUSTED$/,
    why: 'addresses are proved by this server, which ignores `id_server` as told',
  },
  {
    which: /msisdn\/requestToken \d+ M_(INVALID_PARAM|THREEPID_)/,
    why: 'there are no phone numbers: M_THREEPID_MEDIUM_NOT_SUPPORTED',
  },
  {
    which: /(3pid|password)\/email\/requestToken 403 M_THREEPID_DENIED$/,
    why: 'whoever has an account may give it any address',
  },
  { which: /DELETE \/_matrix\/client\/v3\/profile\/.* 400 M_BAD_JSON$/, why: 'there is no body that could be wrong' },
  {
    which: /GET \/_matrix\/client\/v3\/initialSync 404 $/,
    why: 'it names an avatar, which this has nothing to do with',
  },
  { which: /M_APPSERVICE_LOGIN_UNSUPPORTED$/, why: 'only of servers without the legacy way to log in' },
  { which: /GET \/_matrix\/client\/v3\/login 404 M_UNRECOGNIZED$/, why: 'there is always the legacy way to log in' },
  { which: /M_EXCLUSIVE$/, why: 'there are no application services yet' },
  { which: /whoami 403 M_FORBIDDEN$/, why: 'there are no application services yet' },
  {
    which: /PUT \/_matrix\/client\/v3\/pushrules\/global\/\{kind\}\/\{ruleId\} 404 M_NOT_FOUND$/,
    why: 'a rule that is not there is made; for `before` and `after` 400 is named too',
  },
];

/** What is served and never succeeds. */
export const neverGood: readonly Exception[] = [
  { which: /msisdn\/requestToken$/, why: 'there are no phone numbers' },
  { which: /^POST .*\/account\/3pid$/, why: 'no identity server is believed whose an address is' },
  { which: /\/media\/v3\/(download|thumbnail)/, why: 'files are given to users only' },
  { which: /\/thirdparty\/(protocol\/|location|user)/, why: 'there are no third-party networks yet' },
];

const nameOf = ({ method, path, status, errcode }: NamedError): string => `${method} ${path} ${status} ${errcode}`;

export interface Judgement {
  /** Named for what is served, never seen, and without a reason. */
  readonly unseen: readonly string[];
  /** A reason for something that was seen, or that nobody names. */
  readonly stale: readonly string[];
}

/** Compares what is named with the outcomes (`403 M_FORBIDDEN`) that were seen of each endpoint, by its shape. */
export function judgeErrors(seen: ReadonlyMap<string, readonly string[]>): Judgement {
  const unseen: string[] = [];
  const used = new Set<Exception>();
  for (const named of namedErrors()) {
    const outcomes = seen.get(shapeOf(named.method, named.path));
    if (outcomes === undefined) continue;
    const { status, errcode } = named;
    const wasSeen = outcomes.some(
      (one) => one === `${status} ${errcode}` || (errcode === '' && one.startsWith(status)),
    );
    if (wasSeen) continue;
    const exception = neverHere.find(({ which }) => which.test(nameOf(named)));
    if (exception === undefined) unseen.push(nameOf(named));
    else used.add(exception);
  }
  return { unseen, stale: neverHere.filter((each) => !used.has(each)).map(({ why }) => why) };
}

/** The outcomes that the guide lists for each endpoint that is served. */
export function outcomesIn(guide: string): Map<string, readonly string[]> {
  const lines = guide.matchAll(/^\| `(\S+) ([^`]+)`[^|]*\| served and tested by ([^|]*) \|$/gm);
  return new Map([...lines].map(([, method = '', path = '', list = '']) => [shapeOf(method, path), list.split(', ')]));
}
