/** Who may import whom. Every folder under `src` stands here; its own files are always allowed. */
const base = ['util', 'protocol', 'config', 'store', 'streams', 'workers', 'outbound', 'governor'];

const domains = [
  'users',
  'federation',
  'devices',
  'e2ee',
  'rooms',
  'media',
  'ephemeral',
  'push',
  'appservices',
  'directory',
  'search',
  'sync',
  'admin',
  'jobs',
  'lifecycle',
];

export const layers: Readonly<Record<string, readonly string[] | 'anything'>> = {
  util: [],
  protocol: ['util'],
  config: ['util', 'protocol'],
  store: ['util', 'protocol'],
  streams: ['util', 'store'],
  workers: ['util', 'protocol', 'store'],
  outbound: ['util', 'config'],
  governor: ['util', 'protocol', 'config', 'store'],
  users: [...base, 'federation'],
  federation: base,
  devices: [...base, 'users', 'federation'],
  e2ee: [...base, 'users', 'federation', 'devices'],
  rooms: [...base, 'users', 'federation'],
  media: [...base, 'users', 'federation'],
  ephemeral: [...base, 'users', 'federation', 'rooms'],
  push: [...base, 'users', 'rooms'],
  appservices: [...base, 'users', 'rooms'],
  directory: [...base, 'users', 'federation', 'rooms'],
  search: [...base, 'users', 'rooms'],
  sync: [...base, 'users', 'devices', 'e2ee', 'rooms', 'ephemeral', 'push'],
  lifecycle: [...base, 'users', 'devices', 'e2ee', 'rooms', 'ephemeral', 'push', 'appservices'],
  admin: [...base, 'users', 'federation', 'devices', 'e2ee', 'rooms', 'media', 'push', 'appservices'],
  jobs: [...base, ...domains.filter((domain) => domain !== 'jobs')],
  api: ['util', 'protocol', 'config', ...domains],
  web: [],
  cli: 'anything',
  homeserver: 'anything',
  'homeserver.ts': 'anything',
  'main.ts': 'anything',
  'v8-flags.ts': [],
  'text-modules.d.ts': [],
};

/** These only see types of the layer named after them. */
export const typesOnly: ReadonlySet<string> = new Set(['streams → store']);

/** Files that a layer may import although it may not import their folder, and why. */
export const exceptions: ReadonlySet<string> = new Set([
  // The admin page shares the shapes of requests and answers with the server.
  'web → src/api/admin/contract.ts',
  // The release's number stands in one place.
  'util → package.json',
]);
