/**
 * Bundles each thread's entry, and the agent's program, into one script each: node bundle.mjs DIST THREAD… A program of its own,
 * run on the pinned Node.
 * It uses esbuild's interface and not its command, which an npm that runs install scripts replaces by a binary.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packagesIn } from './bundled-packages.mjs';

const [dist = '', ...threads] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

/** What a lane with a processor runs in a realm of its own, where nothing can be imported. */
const realm = await build({
  entryPoints: ['src/lane/realm.ts'],
  write: false,
  bundle: true,
  minify: true,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  // Its functions must not tell foreign code who called them.
  banner: { js: '"use strict";' },
  logLevel: 'warning',
});
const realmScript = realm.outputFiles[0]?.text ?? '';
rmSync(join(dist, 'lane/realm.js'));

/** @type {Set<string>} */
const packages = new Set();
for (const thread of threads) {
  const { metafile } = await build({
    entryPoints: [`src/${thread}.ts`],
    outfile: `${join(dist, thread)}.cjs`,
    bundle: true,
    // Each lane is a thread that compiles it anew. Of the others, there is one or two, and their stack traces are read.
    minify: thread.startsWith('lane/'),
    minifyWhitespace: true,
    minifySyntax: true,
    // A thread that is started from a text is a script.
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    // A text lies nowhere: both are put before it, or into it.
    define: { 'import.meta.url': 'THREAD_URL', BUNDLED_VERSION: JSON.stringify(version), ...realmOf(thread) },
    legalComments: 'eof',
    metafile: true,
    logLevel: 'warning',
  });
  for (const name of packagesIn(metafile)) packages.add(name);
  // What the compiler made of the entry is started by nobody.
  rmSync(`${join(dist, thread)}.js`);
}

/** The agent's program: one file to read instead of a few hundred, and only what it runs. */
const agent = await build({
  entryPoints: ['src/agent-main.ts'],
  outfile: join(dist, 'agent-main.js'),
  allowOverwrite: true,
  bundle: true,
  // Its text and names stay in memory: half a megabyte.
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // Packages that few need are read from their folders when they are: on macOS, on a terminal, and never.
  external: ['systeminformation', 'pino-pretty', '@grpc/proto-loader'],
  // What packages written as CommonJS find in an ES module. None of them may look for files.
  banner: {
    js: "import { createRequire as bundledCreateRequire } from 'node:module';const require = bundledCreateRequire(import.meta.url), __filename = '/bundled/agent-main.js', __dirname = '/bundled';",
  },
  define: { BUNDLED_VERSION: JSON.stringify(version) },
  legalComments: 'eof',
  metafile: true,
  logLevel: 'warning',
});
for (const name of packagesIn(agent.metafile)) packages.add(name);

// For THIRD-PARTY-NOTICES: dist/ contains code of these packages.
writeFileSync(join(dist, '.packages.json'), JSON.stringify([...packages].sort()));

/** @param {string} thread */
function realmOf(thread) {
  return thread === 'lane/processor-thread' ? { REALM_SCRIPT: JSON.stringify(realmScript) } : {};
}
