/** `--worker`, `--group` and `--api`: for whom a token is. */
import { PulselaneError } from '../../lib/errors.ts';
import { apiNameProblem } from '../../lib/tokens.ts';
import { groupProblem } from '../../model/identity.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import type { Subject } from './token-lines.ts';

export interface SubjectFlags {
  readonly worker?: string;
  readonly group?: string;
  readonly api?: string;
}

/** @throws PulselaneError `invalid_argument` naming the flag */
export function subjectsOf({ worker, group, api }: SubjectFlags): Subject[] {
  if (worker !== undefined) checkWorkerId(worker);
  const problems: readonly (readonly [flag: string, value: string | undefined, problem: string | undefined])[] = [
    ['--group', group, group === undefined ? undefined : groupProblem(group)],
    ['--api', api, api === undefined ? undefined : apiNameProblem(api)],
  ];
  for (const [flag, value, problem] of problems) {
    if (problem !== undefined) throw usage(`${flag} ${JSON.stringify(value)}: expected ${problem}`);
  }
  return [
    ...(worker === undefined ? [] : [{ kind: 'worker', id: worker } as const]),
    ...(group === undefined ? [] : [{ kind: 'group', id: group } as const]),
    ...(api === undefined ? [] : [{ kind: 'api', id: api } as const]),
  ];
}

/** The only one. @throws PulselaneError `invalid_argument` */
export function oneSubject(flags: SubjectFlags): Subject {
  const [subject, ...others] = subjectsOf(flags);
  if (subject === undefined || others.length > 0) {
    throw usage('expected one of --worker <id>, --group <name> and --api <name>');
  }
  return subject;
}

export function usage(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}
