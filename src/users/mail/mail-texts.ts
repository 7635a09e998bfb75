import type { ServerName } from '../../protocol/ids/types.ts';
import type { MailPurpose } from '../../store/users/mail-addresses.ts';

const wishes: { readonly [P in MailPurpose]: { readonly subject: string; readonly wish: string } } = {
  address: { subject: 'Confirm your mail address', wish: 'add this mail address to an account' },
  registration: { subject: 'Confirm your mail address', wish: 'make an account with this mail address' },
  password: { subject: 'Set a new password', wish: 'set a new password for the account of this mail address' },
};

/** The mail with the link that shows whose an address is. */
export function confirmationMail(
  purpose: MailPurpose,
  server: ServerName,
  link: string,
): { readonly subject: string; readonly text: string } {
  const { subject, wish } = wishes[purpose];
  const text =
    `Somebody, probably you, wants to ${wish} on ${server}.\n\n` +
    `If that is you, open this link within a day and then go back to your app:\n\n${link}\n\n` +
    'If it is not, do nothing.\n';
  return { subject: `${subject} (${server})`, text };
}
