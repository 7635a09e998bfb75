import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SourceFile {
  /** Relative to the project, `src/rooms/send/send.ts`. */
  readonly path: string;
  /** The folder or file directly under `src`: `rooms`, `main.ts`. */
  readonly layer: string;
  readonly text: string;
  /** The text without comments, same length and lines. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly specifier: string;
  /** Project path of a relative import; undefined for a package or a built-in. */
  readonly target: string | undefined;
  readonly isTypeOnly: boolean;
  readonly isDynamic: boolean;
}

export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

/** All TypeScript files under a folder of the project. */
export function readSourceFiles(folder: string): readonly SourceFile[] {
  return readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(projectRoot.length))
    .toSorted()
    .map((path) => parseSource(path, readFileSync(join(projectRoot, path), 'utf8')));
}

export function parseSource(path: string, text: string): SourceFile {
  const code = blankComments(text);
  return { path, layer: path.split('/')[1] ?? '', text, code, imports: importsOf(path, code) };
}

/** Comments become spaces, so that lines keep their numbers; what only looks like one inside a text stays. */
export function blankComments(text: string): string {
  const pattern =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/(?![*/\s])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;
  return text.replace(pattern, (found) => (/^\/[/*]/.test(found) ? found.replace(/[^\n]/g, ' ') : found));
}

const statement = /^\s*(?:import|export)\s+(type\s+)?(?:[\w*\s{},$]+?\s+from\s+)?'([^']+)'/gm;
const dynamicImport = /\bimport\(\s*'([^']+)'\s*\)/g;

function importsOf(path: string, code: string): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: string, isTypeOnly: boolean, isDynamic: boolean) => {
    const target = specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : undefined;
    found.push({ specifier, target, isTypeOnly, isDynamic });
  };
  for (const match of code.matchAll(statement)) add(match[2] ?? '', match[1] !== undefined, false);
  for (const match of code.matchAll(dynamicImport)) add(match[1] ?? '', false, true);
  return found;
}
