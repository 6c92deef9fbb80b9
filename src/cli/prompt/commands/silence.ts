import { PulselaneError } from '../../../lib/errors.ts';
import { silenceJson } from '../../../model/alert-json.ts';
import { silenceState } from '../../../model/silence.ts';
import { newSilenceOf } from '../../new-silence.ts';
import { silencesText } from '../../views/alerts-text.ts';
import { type PromptCommand, type PromptContext, UsageError, workerIds } from '../command.ts';
import { operatedAlerts } from '../operated-alerts.ts';

const DURATION = /^\d+(?:\.\d+)?(?:ms|s|m|h|d|w)$/;

export const silence: PromptCommand = {
  names: ['silence'],
  usage: 'silence [all] | silence <worker or matcher>… <duration> <comment> | silence expire <id>',
  help:
    'silences; or have nobody told for a time: silence worker-1 2h new disk, silence rule=Hot group=rack-7 1d summer; ' +
    '"expire" ends one early',
  run(args, context) {
    const [first, ...others] = args;
    if (first === undefined || (first === 'all' && others.length === 0)) return list(context, first === 'all');
    if (first === 'expire') return expire(context, others);
    return add(context, first === 'add' ? others : args);
  },
  complete: (context) => [
    'expire',
    'all',
    ...['rule=', 'severity=', 'group=', 'worker='],
    ...(context.operator.alerts?.silences ?? []).map(({ id }) => id),
    ...workerIds(context),
  ],
  completesAll: true,
};

function list(context: PromptContext, hasExpired: boolean): string {
  const nowMs = context.clock.wallMs();
  const { silences } = operatedAlerts(context);
  const shown = silences.filter((one) => hasExpired || silenceState(one, nowMs) !== 'expired');
  return silencesText(
    shown.map((one) => silenceJson(one, nowMs)),
    context.page(),
  );
}

async function add(context: PromptContext, words: readonly string[]): Promise<string> {
  const at = words.findIndex((word) => DURATION.test(word));
  const duration = words[at];
  if (at < 1 || duration === undefined || at === words.length - 1) throw new UsageError();
  const asked = { matchers: words.slice(0, at), duration, comment: words.slice(at + 1).join(' ') };
  const reply = await operatedAlerts(context).command({
    type: 'silence',
    silence: newSilenceOf(asked, context.clock.wallMs()),
  });
  if (!reply.ok) throw new PulselaneError(reply.code, reply.message);
  return `${reply.message}\nid: ${reply.silenceId ?? ''}`;
}

async function expire(context: PromptContext, [silenceId, ...others]: readonly string[]): Promise<string> {
  if (silenceId === undefined || others.length > 0) throw new UsageError();
  const reply = await operatedAlerts(context).command({ type: 'expire-silence', silenceId });
  if (!reply.ok) throw new PulselaneError(reply.code, reply.message);
  return reply.message;
}
