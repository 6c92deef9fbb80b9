/** Bundles the program, for the Debian package and the executable. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packagesIn } from '../bootstrap/bundled-packages.mjs';
import { inlinedProtos } from './inlined-protos.ts';
import { packagesOfThreads, ROOT, version } from './parts.ts';

/** Defines what CommonJS packages expect and an ES module lacks. No package may read files of its own: there are none. */
const BANNER = `import { createRequire as bundledCreateRequire } from 'node:module';
const require = bundledCreateRequire(import.meta.url), __filename = '/bundled/main.js', __dirname = '/bundled';`;

/** As `bin/launch.js` chooses: an agent, and what a task is wrapped in, evaluate nothing of a master. */
const ENTRY = `import './bin/keep-small.js';
import './bin/first-moments.js';
await (process.argv[2] === 'agent'
  ? import('./src/agent-main.ts')
  : process.argv[2] === 'task' ? import('./src/task-main.ts') : import('./src/main.ts'));`;

export interface Program {
  /** Its files; the first one is started. */
  readonly files: readonly string[];
  /** Folders of the packages that are in it or in the scripts of its threads, relative to the clone. */
  readonly packages: readonly string[];
}

/**
 * @param folder where it is written
 * @param form `split`: parts in files of their own, of which an agent reads only its own; `single`: all in one file
 */
export async function bundleProgram(folder: string, form: 'split' | 'single'): Promise<Program> {
  const { metafile } = await build({
    stdin: { contents: ENTRY, resolveDir: ROOT },
    absWorkingDir: ROOT,
    outdir: folder,
    entryNames: 'main',
    chunkNames: '[hash]',
    outExtension: { '.js': '.mjs' },
    splitting: form === 'split',
    bundle: true,
    // Names are kept, because people read stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    define: { BUNDLED_VERSION: JSON.stringify(version()) },
    banner: { js: BANNER },
    legalComments: 'none',
    metafile: true,
    logLevel: 'error',
    plugins: [inlinedProtos(ROOT)],
  });
  const main = join(folder, 'main.mjs');
  const parts = readdirSync(folder).map((name) => join(folder, name));
  return {
    files: [main, ...parts.filter((part) => part !== main).sort()],
    packages: [...new Set([...packagesIn(metafile), ...packagesOfThreads()])],
  };
}
