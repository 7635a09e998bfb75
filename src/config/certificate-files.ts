import { readFileSync } from 'node:fs';

/** The certificates in PEM files. Throws an error that names the file which cannot be read or holds none. */
export function readCertificateFiles(files: readonly string[]): string[] {
  return files.map((file) => {
    const text = readFileSync(file, 'utf8');
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`${file} holds no certificate in PEM form`);
    return text;
  });
}
