import type { BuildOptions } from 'esbuild';

/** How the program and its threads are bundled, for a folder of bundles and for the executable alike. */
export const programOptions = {
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  // CommonJS runs in the order it is written in, so that the V8 flags really come first.
  format: 'cjs',
  minifyWhitespace: true,
  minifySyntax: true,
  minifyIdentifiers: true,
  keepNames: true,
  legalComments: 'none',
  loader: { '.sql': 'text', '.service': 'text', '.conf': 'text' },
} as const satisfies BuildOptions;
