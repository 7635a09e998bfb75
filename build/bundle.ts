/**
 * Makes `build/out/` (or the folder after `--out`): the launcher `hearth` and `lib/` with the pinned Node, one bundle for the program, one for each
 * thread or helper process, and the two packages with native parts. The folder runs wherever it is moved to.
 */
import {
  chmodSync,
  constants,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, type Plugin } from 'esbuild';
import { checkNode, commit, committed } from './checkout.ts';
import { findEntryPoints, renameEntryPoints } from './entry-points.ts';
import { packagesFor } from './native-packages.ts';
import { programOptions } from './program-options.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'build/out') } } });
const out = resolve(values.out);
const lib = join(out, 'lib');

/** Packages that load native files beside themselves; they are copied, not bundled. */
const native = ['better-sqlite3', 'sharp'];

/** Threads are started by the address of their source file; in the bundle that is a file beside the program. */
const entryPointNames: Plugin = {
  name: 'entry-point-names',
  setup(bundler) {
    bundler.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      contents: renameEntryPoints(readFileSync(path, 'utf8')),
      loader: 'ts',
    }));
  },
};

async function bundle(): Promise<void> {
  const entryPoints = [{ in: join(root, 'src/main.ts'), out: 'hearth' }, ...findEntryPoints(join(root, 'src'))];
  await build({
    entryPoints,
    outdir: lib,
    ...programOptions,
    external: native,
    plugins: [entryPointNames],
    banner: { js: "const bundleUrl=require('node:url').pathToFileURL(__filename).href;" },
    define: {
      'import.meta.url': 'bundleUrl',
      HEARTH_COMMIT: JSON.stringify(commit(root)),
      HEARTH_COMMITTED: String(committed(root)),
    },
    logLevel: 'warning',
  });
}

function copyPackages(): void {
  for (const { name, folder, wanted } of packagesFor(root, native, process.arch)) {
    const target = join(lib, 'node_modules', name);
    cpSync(folder, target, { recursive: true, dereference: true, filter: (path) => wanted(path.slice(folder.length)) });
  }
}

/** Node's flags stand here too: on the command line they also reach what is set up before the program runs. */
const launcher = `#!/bin/sh
lib=$(dirname "$(readlink -f "$0")")/lib
exec "$lib/node" --optimize-for-size --no-maglev --max-semi-space-size=1 --v8-pool-size=1 "$lib/hearth.cjs" "$@"
`;

checkNode(root);
rmSync(out, { recursive: true, force: true });
mkdirSync(lib, { recursive: true });
await bundle();
copyPackages();
copyFileSync(realpathSync(process.execPath), join(lib, 'node'), constants.COPYFILE_FICLONE);
chmodSync(join(lib, 'node'), 0o755);
copyFileSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
copyFileSync(join(dirname(realpathSync(process.execPath)), '../LICENSE'), join(lib, 'node.LICENSE'));
writeFileSync(join(out, 'hearth'), launcher, { mode: 0o755 });
console.log(`built ${relative(process.cwd(), join(out, 'hearth'))}`);
