import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as v from 'valibot';

/** What a backup consists of, in the order in which it is restored: the database last, because it makes it a server. */
export const backupFiles = ['hearth.toml', 'signing.key', 'media.db', 'hearth.db'] as const;

export type BackupFile = (typeof backupFiles)[number];

const fileSchema = v.object({ bytes: v.number(), sha256: v.string() });

const manifestSchema = v.object({
  format: v.literal(1),
  server_name: v.string(),
  hearth: v.string(),
  /** Milliseconds since the epoch. */
  created: v.number(),
  remote_media: v.boolean(),
  files: v.record(v.string(), fileSchema),
});

export type Manifest = v.InferOutput<typeof manifestSchema>;

const manifestName = 'manifest.json';
/** Folders with this at their end are not complete. */
const partial = '.partial';

/** A backup that is being made in a folder of its own; it gets its name when it is whole. */
export class BackupDraft {
  readonly #final: string;
  readonly folder: string;

  /** `name` must not be taken. */
  constructor(parent: string, name: string) {
    this.#final = join(parent, name);
    this.folder = `${this.#final}${partial}`;
    if (existsSync(this.#final)) throw new Error(`${this.#final} exists already`);
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  path(file: BackupFile): string {
    return join(this.folder, file);
  }

  write(file: BackupFile, content: string | Buffer): void {
    writeFileSync(this.path(file), content, { mode: 0o600 });
  }

  /** Writes down what is in it, makes all of it survive a power cut, and gives the folder its name. */
  async complete(about: Omit<Manifest, 'files' | 'format'>): Promise<{ folder: string; manifest: Manifest }> {
    const files: Manifest['files'] = {};
    for (const file of backupFiles) {
      await sync(this.path(file));
      files[file] = { bytes: statSync(this.path(file)).size, sha256: await digest(this.path(file)) };
    }
    const manifest: Manifest = { format: 1, ...about, files };
    writeFileSync(join(this.folder, manifestName), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
    await sync(join(this.folder, manifestName));
    await sync(this.folder);
    renameSync(this.folder, this.#final);
    await sync(dirname(this.#final));
    return { folder: this.#final, manifest };
  }

  discard(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Reads what a backup says of itself. Throws a sentence for the admin if the folder is none. */
export function readManifest(folder: string): Manifest {
  const path = join(folder, manifestName);
  if (!existsSync(path)) throw new Error(`${folder} is no backup: it has no ${manifestName}`);
  const manifest = parsedManifest(readFileSync(path, 'utf8'));
  if (manifest === undefined) throw new Error(`${path} is damaged, or of a later release`);
  return manifest;
}

function parsedManifest(text: string): Manifest | undefined {
  try {
    const read = v.safeParse(manifestSchema, JSON.parse(text));
    return read.success ? read.output : undefined;
  } catch {
    // It is no JSON.
    return undefined;
  }
}

/** Complete backups of a server in a folder, the oldest first. What cannot be read is none of them. */
export function listBackups(parent: string, serverName: string): { folder: string; created: number }[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter(
      (name) => name.startsWith('hearth-') && !name.endsWith(partial) && existsSync(join(parent, name, manifestName)),
    )
    .flatMap((name) => {
      const folder = join(parent, name);
      const manifest = parsedManifest(readFileSync(join(folder, manifestName), 'utf8'));
      return manifest?.server_name === serverName ? [{ folder, created: manifest.created }] : [];
    })
    .sort((one, other) => one.created - other.created);
}

export function removeBackup(folder: string): void {
  readManifest(folder);
  rmSync(folder, { recursive: true });
}

/** Copies one file of a backup and checks it on the way. Throws a sentence if it is not what was backed up. */
export async function copyOut(folder: string, file: BackupFile, manifest: Manifest, to: string): Promise<void> {
  const said = manifest.files[file];
  const from = join(folder, file);
  if (said === undefined || !existsSync(from)) throw new Error(`the backup lacks ${file}`);
  const hash = createHash('sha256');
  const source = createReadStream(from, { highWaterMark: pieceBytes });
  source.on('data', (piece) => hash.update(piece));
  await pipeline(source, createWriteStream(to, { mode: 0o600 }));
  if (hash.digest('hex') !== said.sha256) throw new Error(`${from} is damaged: it is not what was backed up`);
  await sync(to);
}

/** Gives restored files their names. */
export async function putInPlace(moves: readonly { readonly from: string; readonly to: string }[]): Promise<void> {
  for (const { from, to } of moves) {
    renameSync(from, to);
    await sync(dirname(to));
  }
}

const pieceBytes = 256 * 1024;

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** Beside the main thread: what the server's disk still has to write of a large backup may take it a minute. */
async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
