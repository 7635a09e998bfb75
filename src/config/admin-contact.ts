import type { Config } from './config.ts';

/** Where users find the admin of this server: a web or mail address, or failing that the document that would name one. */
export function adminContact({ wellKnown, serverName, publicUrl }: Config): string {
  const { supportPage, supportEmail, supportUser } = wellKnown;
  if (supportPage !== undefined) return supportPage;
  if (supportEmail !== undefined) return `mailto:${supportEmail}`;
  if (supportUser !== undefined) return `https://matrix.to/#/${supportUser}`;
  return `${publicUrl ?? `https://${serverName}`}/.well-known/matrix/support`;
}
