import { scrypt, timingSafeEqual } from 'node:crypto';
import { decodeBase64Lenient, encodeBase64 } from '../../protocol/base64.ts';

/** What a hash costs: 128 × 2^logN × blockSize bytes of memory, `parallel` times over in turn. */
export interface PasswordCost {
  readonly logN: number;
  readonly blockSize: number;
  readonly parallel: number;
}

/**
 * A little over 32 MiB for the time of one hash, three times over: one of the combinations that are recommended as
 * equally hard. One with half the memory costs a server more: glibc hands blocks of more than 32 MiB back as soon as
 * they are freed, while smaller ones stay with each thread that ever hashed (three times 16 MiB, measured).
 */
export const defaultPasswordCost: PasswordCost = { logN: 15, blockSize: 8, parallel: 3 };

interface Parsed {
  readonly cost: PasswordCost;
  readonly salt: Buffer;
  readonly key: Buffer;
}

const keyLength = 32;

/** A stored hash with more than this cannot have been made here, and would take the board down. */
const maxMemory = 128 * 1024 * 1024;

/** The PHC string of a password: `$scrypt$ln=15,r=8,p=3$salt$hash`. Runs on the thread pool. */
export async function hashPassword(password: string, salt: Buffer, cost: PasswordCost): Promise<string> {
  const key = await derive(password, salt, cost, keyLength);
  const { logN, blockSize, parallel } = cost;
  return `$scrypt$ln=${logN},r=${blockSize},p=${parallel}$${encodeBase64(salt)}$${encodeBase64(key)}`;
}

/** Whether the password is the one behind the PHC string. Runs on the thread pool. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const parsed = parse(stored);
  const key = await derive(password, parsed.salt, parsed.cost, parsed.key.length);
  return timingSafeEqual(key, parsed.key);
}

/** Whether the hash was made with another cost than is wanted now. */
export function needsRehash(stored: string, wanted: PasswordCost): boolean {
  const { cost } = parse(stored);
  return cost.logN !== wanted.logN || cost.blockSize !== wanted.blockSize || cost.parallel !== wanted.parallel;
}

function parse(stored: string): Parsed {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(stored);
  const salt = match && decodeBase64Lenient(match[4] as string);
  const key = match && decodeBase64Lenient(match[5] as string);
  if (!match || !salt || !key) throw new Error('a stored password is not in the form that is written here');
  const cost = { logN: Number(match[1]), blockSize: Number(match[2]), parallel: Number(match[3]) };
  return { cost, salt, key };
}

function derive(password: string, salt: Buffer, cost: PasswordCost, length: number): Promise<Buffer> {
  const { logN, blockSize, parallel } = cost;
  return new Promise((resolve, reject) => {
    const options = { N: 2 ** logN, r: blockSize, p: parallel, maxmem: maxMemory };
    // The same characters may be typed in different ways on different keyboards.
    scrypt(password.normalize('NFKC'), salt, length, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}
