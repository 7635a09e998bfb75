import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { commit, committed } from './checkout.ts';
import type { NativeParts } from './native-parts.ts';
import { programOptions } from './program-options.ts';

interface Settings {
  readonly root: string;
  readonly outdir: string;
  readonly native: NativeParts;
  /** Whether Node holds the assets, or the program is a script that has them behind it. */
  readonly form: 'executable' | 'script';
}

/** What the parts that look around on disk are replaced by: a module with the same exports, and the line that gives them. */
const standIns: readonly {
  readonly file: string;
  readonly contents: (standIn: string) => string;
  readonly by: string;
}[] = [
  { file: 'src/workers/entry.ts', by: 'worker-entry.ts', contents: (path) => `export * from ${path}` },
  { file: 'src/media/helper-command.ts', by: 'helper-command.ts', contents: (path) => `export * from ${path}` },
  { file: 'src/store/sqlite-version.ts', by: 'sqlite-version.ts', contents: (path) => `export * from ${path}` },
  { file: 'src/cli/licences.ts', by: 'licences.ts', contents: (path) => `export * from ${path}` },
  {
    file: 'node_modules/better-sqlite3/lib/binding.js',
    by: 'sqlite-addon.ts',
    contents: (path) => `module.exports = require(${path})`,
  },
  {
    file: 'node_modules/sharp/dist/sharp.cjs',
    by: 'sharp-addon.ts',
    contents: (path) => `module.exports = require(${path}).addon`,
  },
];

/**
 * Bundles what the executable starts with, its program, and those of its thread and its helper process. Answers the files that went in.
 */
export async function bundleForExecutable({ root, outdir, native, form }: Settings): Promise<string[]> {
  const used = new Set<string>();
  const replace: Plugin = {
    name: 'stand-ins',
    setup(bundler) {
      if (form === 'script') {
        const assets = join(root, 'build/executable/script-assets.ts');
        bundler.onResolve({ filter: /^node:sea$/ }, () => ({ path: assets }));
      }
      for (const { file, by, contents } of standIns) {
        const path = realpathSync(join(root, file)); // as the bundler sees it
        bundler.onLoad({ filter: new RegExp(`^${path.replaceAll(/[^\w/]/g, '\\$&')}$`) }, () => {
          used.add(file);
          const standIn = JSON.stringify(join(root, 'build/executable', by));
          return { contents: contents(standIn), loader: 'js', resolveDir: root };
        });
      }
    },
  };
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['main', 'program', 'worker', 'thumbnail'].map((name) => ({
      in: join(root, 'build/executable', `${name}.ts`),
      out: name,
    })),
    outdir,
    ...programOptions,
    metafile: true,
    // Its other form looks for files beside itself.
    alias: { sharp: join(root, 'node_modules/sharp/dist/index.cjs') },
    plugins: [replace],
    define: {
      HEARTH_COMMIT: JSON.stringify(commit(root)),
      HEARTH_COMMITTED: String(committed(root)),
      NATIVE_PARTS: JSON.stringify(native.sets),
      SHARP_ADDON: JSON.stringify(native.sharpAddon),
      SQLITE_VERSION: JSON.stringify(native.sqliteVersion),
    },
    // What a bundle cannot hold, such as `import.meta`, is told of as a warning; here it is a mistake.
    logOverride: { 'empty-import-meta': 'error' },
    logLevel: 'warning',
  });
  const unused = standIns.filter(({ file }) => !used.has(file));
  if (unused.length > 0) throw new Error(`not replaced: ${unused.map(({ file }) => file).join(', ')}`);
  return Object.keys(metafile.inputs);
}
