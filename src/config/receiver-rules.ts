/** Rules that the settings of all receivers of metrics have in common. */
import type { MasterConfig } from './options.ts';
import type { Rule } from './rule.ts';
import { secretText } from './setting-names.ts';

export type Named = readonly [key: keyof MasterConfig, variable: string];

/** What has no use without the setting of where, and would be a mistake that nobody sees. */
export function uselessWithout([where, whereVariable]: Named, others: readonly Named[]): Rule<MasterConfig>[] {
  return others.map(([key, variable]) => {
    return {
      about: [key, where],
      problem(config, names) {
        if (config[key] === undefined || config[where] !== undefined) return undefined;
        return `${secretText(names, variable)}: expected ${whereVariable} to be set too`;
      },
    };
  });
}

export function atMostOne([one, oneName]: Named, [other, otherName]: Named): Rule<MasterConfig> {
  return {
    about: [one, other],
    problem(config, names) {
      if (config[one] === undefined || config[other] === undefined) return undefined;
      return `${secretText(names, otherName)}: expected ${secretText(names, oneName)} not to be set as well`;
    },
  };
}

export function hasAuthorization(headers: Readonly<Record<string, string>> | undefined): boolean {
  return Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization');
}
