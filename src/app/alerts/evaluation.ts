/** Joins evaluation/ with the past that history knows. */
import type { AlertsSettings } from '../../alerts/messages.ts';
import type { Evaluation } from '../../alerts/parts.ts';
import type { DatabasePlace } from '../../history/database.ts';
import type { Directory } from '../../reading/directory.ts';

export function makeEvaluation(
  _directory: Directory,
  _settings: AlertsSettings,
  _past: DatabasePlace | undefined,
): Evaluation {
  return {
    load: () => {},
    evaluate: async () => [],
    figuresOf: () => ({ lastEvaluatedUnixMs: null, evaluationMs: null, errors: 0, lastError: null }),
    stop: async () => {},
  };
}
