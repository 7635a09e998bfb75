import { request } from 'node:http';
import { join } from 'node:path';
import type { OperationName } from '../admin/operations.ts';
import { CommandFailed } from './arguments.ts';

/** Where the running server listens for commands. */
export function adminSocketPath(dataDir: string): string {
  return join(dataDir, 'admin.sock');
}

export type SocketAnswer = { readonly reached: false } | { readonly reached: true; readonly result: unknown };

/**
 * Asks the running server. Not reached means that nobody listens: no server runs, or it left its socket behind.
 * Throws `CommandFailed` if it refuses.
 */
export async function askServer(dataDir: string, name: OperationName, input: unknown): Promise<SocketAnswer> {
  const socketPath = adminSocketPath(dataDir);
  let text: string;
  try {
    text = await post(socketPath, `/v1/${name}`, JSON.stringify(input));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return { reached: false };
    if (code === 'EACCES')
      throw new CommandFailed(`${socketPath} may not be opened; run this as the user that Hearth runs as`);
    throw error;
  }
  const { result, error } = JSON.parse(text) as { result?: unknown; error?: { code: string; message: string } };
  if (error) throw new CommandFailed(error.message, error.code);
  return { reached: true, result };
}

function post(socketPath: string, path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const call = request({ socketPath, path, method: 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}
