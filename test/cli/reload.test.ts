import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { reload } from '../../src/cli/service/reload.ts';
import type { Config } from '../../src/config/config.ts';
import { definition } from '../../src/config/definition/definition.ts';
import { camelKey } from '../../src/config/definition/field.ts';
import { fieldPaths, isReloadable, valueAt } from '../../src/config/reloading.ts';
import type { Log } from '../../src/util/log.ts';
import { World } from '../support/servers/world.ts';

/** What the issue of a reload is known by: keys taken over, keys that wait. */
interface Said {
  reloaded?: readonly string[];
  waiting?: readonly string[];
}

describe('SIGHUP', () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world[Symbol.asyncDispose]());

  /** Has the server read this configuration; answers what the log says. */
  function reloadWith(config: Config): Said {
    const said: Said = {};
    const note: Log['info'] = (event, fields) => {
      const keys = (fields as { keys: readonly string[] }).keys;
      if (event === 'config.reloaded') said.reloaded = keys;
      if (event === 'config.needs_restart') said.waiting = keys;
    };
    const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
    const { settings } = world.hs;
    const read = () => ({ ok: true, config, notes: [] }) as const;
    reload({ read, settings, log, setLogLevel: () => {}, reloadCertificates: () => {} });
    return said;
  }

  for (const path of fieldPaths(definition)) {
    const key = path.join('.');
    it(`${isReloadable(key) ? 'takes over' : 'names as waiting for a restart'} ${key}`, () => {
      const start = world.hs.settings.inForce;
      const changed = { ...start } as Record<string, unknown>;
      let table = changed;
      for (const name of path.slice(0, -1)) {
        const copy = { ...(table[camelKey(name)] as object) } as Record<string, unknown>;
        table[camelKey(name)] = copy;
        table = copy;
      }
      table[camelKey(path.at(-1) ?? '')] = otherThan(valueAt(start, path));
      const config = changed as unknown as Config;
      const expected = isReloadable(key) ? { reloaded: [key] } : { reloaded: [], waiting: [key] };
      assert.deepEqual(reloadWith(config), expected);
      const isInForce = isDeepStrictEqual(valueAt(world.hs.settings.inForce, path), valueAt(config, path));
      assert.equal(isInForce, isReloadable(key));
      assert.deepEqual(reloadWith(start), { reloaded: isReloadable(key) ? [key] : [] });
    });
  }
});

/** Another value of the same kind. */
function otherThan(value: unknown): unknown {
  switch (typeof value) {
    case 'boolean':
      return !value;
    case 'number':
      return value + 1;
    case 'string':
      return `${value}x`;
    case 'undefined':
      return 'set';
    default:
      if (Array.isArray(value)) return [...(value as unknown[]), 'one more'];
      if (value instanceof Map) return new Map([...value, ['one', 'more']]);
      return { ...(value as object), burst: 12_345 };
  }
}
