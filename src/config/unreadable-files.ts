/** Files that settings name and that cannot be read, for the list of all that is wrong. */
import { messageOf } from '../lib/errors.ts';
import { checkSettingFile } from '../lib/setting-file.ts';
import type { Options } from './options.ts';
import { explainOptions, settingNames } from './resolve.ts';
import { settingText } from './setting-names.ts';
import type { Sources } from './sources.ts';

/** PROCESSOR may be a URL. */
const IS_URL = /^[a-z]+:\/\//;

/** A line for each file. Nothing is read: it may be a pipe. */
export function unreadableFiles(options: Options, sources: Sources): string[] {
  const names = settingNames(options, sources);
  const texts = new Map(explainOptions(options, sources).map(({ env, text }) => [env, text]));
  return Object.values(options).flatMap(({ env, argument }) => {
    const path = texts.get(env);
    if (!/^<file\b/.test(argument) || !path || IS_URL.test(path)) return [];
    try {
      checkSettingFile(settingText(names, env, path), path);
      return [];
    } catch (error) {
      return [messageOf(error)];
    }
  });
}
