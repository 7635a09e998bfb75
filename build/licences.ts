import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package of which something is inside the executable. */
export interface Included {
  readonly name: string;
  readonly folder: string;
}

interface Manifest {
  readonly version: string;
  readonly license?: string;
}

const line = `\n\n${'='.repeat(80)}\n\n`;

/** Licences whose text the packages name but do not bring. */
const knownTexts: Readonly<Record<string, readonly string[]>> = {
  'LGPL-3.0-or-later': ['LGPL-3.0.txt', 'GPL-3.0.txt'],
};

/** The names of the packages that a bundler's list of input files mentions. */
export function packagesIn(inputs: Iterable<string>): string[] {
  const names = new Set<string>();
  for (const input of inputs) {
    const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name !== undefined) names.add(name);
  }
  return [...names].toSorted();
}

/** All licence texts, Hearth's own first. `texts` is the folder of those that packages do not bring. */
export function licenceText(own: string, texts: string, packages: readonly Included[]): string {
  const parts = packages.map((each) => {
    const { version, license = 'see below' } = manifestOf(each);
    const own = licenceFiles(each.folder).map((file) => readFileSync(file, 'utf8').trim());
    const known = (knownTexts[license] ?? []).map((file) => readFileSync(join(texts, file), 'utf8').trim());
    if (own.length + known.length === 0) throw new Error(`${each.name} brings no licence text`);
    return [`${each.name} ${version} (${license})`, ...own, ...known].join('\n\n');
  });
  return [`Hearth (Apache-2.0)\n\n${own.trim()}`, ...parts].join(line).concat('\n');
}

/** The list of parts as CycloneDX, without time and serial number, so that the same parts give the same text. */
export function partsList(version: string, packages: readonly Included[]): string {
  const components = packages.map((each) => {
    const manifest = manifestOf(each);
    return {
      type: 'library',
      name: each.name,
      version: manifest.version,
      purl: `pkg:npm/${each.name.replace('@', '%40')}@${manifest.version}`,
      ...(manifest.license === undefined ? {} : { licenses: [{ expression: manifest.license }] }),
    };
  });
  const application = { type: 'application', name: 'hearth', version };
  const list = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: application },
    components,
  };
  return `${JSON.stringify(list, undefined, 1)}\n`;
}

function manifestOf({ folder }: Included): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** The licence beside the package; where there is none, its README may hold the notices of what is inside. */
function licenceFiles(folder: string): string[] {
  const found = readdirSync(folder).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  const readme = join(folder, 'README.md');
  if (found.length === 0 && existsSync(readme) && /licen[cs]/i.test(readFileSync(readme, 'utf8'))) return [readme];
  return found.toSorted().map((name) => join(folder, name));
}
