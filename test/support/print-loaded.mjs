/** For `--import`: prints the URL of each file that the process loads, a line each, on its stderr. */
import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) writeSync(2, `loaded ${url}\n`);
    return next(url, context);
  },
});
