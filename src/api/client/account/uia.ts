import type { UiaPassed } from '../../../users/login/uia.ts';
import type { StageName } from '../../../users/login/uia-stages.ts';
import type { ApiRequest } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';

const byPassword: readonly (readonly StageName[])[] = [['m.login.password']];

const byPasswordOrMail: readonly (readonly StageName[])[] = [['m.login.password'], ['m.login.email.identity']];

/** The same, or by a link that was mailed to an address of the account: for who has forgotten the password. */
export function confirmByPasswordOrMail(
  { uia, mailAddresses }: Pick<AccountServices, 'uia' | 'mailAddresses'>,
  operation: string,
  { body, requester, ip }: Pick<ApiRequest<'optional', 'json'>, 'body' | 'requester' | 'ip'>,
): Promise<UiaPassed> {
  const flows = mailAddresses.enabled ? byPasswordOrMail : byPassword;
  return uia.authenticate({ operation, body, requester, ip, flows });
}

/** Has the user confirm by password what `operation` (method and path) is about to do. */
export function confirmByPassword(
  { uia }: Pick<AccountServices, 'uia'>,
  operation: string,
  { body, requester, ip }: Pick<ApiRequest<'optional', 'json'>, 'body' | 'requester' | 'ip'>,
): Promise<UiaPassed> {
  return uia.authenticate({ operation, body, requester, ip, flows: byPassword });
}
