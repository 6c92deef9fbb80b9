import { readRules } from '../../alerts/rule-source.ts';
import { parseRules } from '../../alerts/rules/parse-rules.ts';
import type { RuleProblem } from '../../alerts/rules/place.ts';
import type { RuleSet } from '../../alerts/rules/rule.ts';

export interface ReadRuleFile {
  /** Undefined if there are problems. */
  readonly rules: RuleSet | undefined;
  readonly problems: readonly RuleProblem[];
  readonly warnings: readonly RuleProblem[];
}

/** @param path absolute */
export function readRuleFile(path: string, allowsCommands: boolean): ReadRuleFile {
  let warnings: readonly RuleProblem[] = [];
  const found = readRules(path, allowsCommands, (text, context) => {
    const parsed = parseRules(text, context);
    warnings = parsed.warnings;
    return parsed;
  });
  return found.rules === undefined
    ? { rules: undefined, problems: found.problems, warnings }
    : { rules: found.rules, problems: [], warnings };
}
