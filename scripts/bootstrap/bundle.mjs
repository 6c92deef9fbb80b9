/**
 * Bundles each thread's entry, and the programs of agents and tasks, into one script each: node bundle.mjs DIST THREAD… A separate program, run
 * on the pinned Node. It uses esbuild's API and not its command, which npm replaces by a binary if it runs install scripts.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packagesIn } from './bundled-packages.mjs';

const [dist = '', ...threads] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

/** What a lane with a processor runs in a separate realm, where nothing can be imported. */
const realm = await build({
  entryPoints: ['src/lane/realm.ts'],
  write: false,
  bundle: true,
  minify: true,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  // Strict, so that foreign code cannot see the callers of its functions.
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
    // Minified for lanes, because each lane compiles it. The others run once or twice, and their stack traces should be readable.
    minify: thread.startsWith('lane/'),
    minifyWhitespace: true,
    minifySyntax: true,
    // A thread started from a text is a script, not a module.
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    // A text has no file name and no package.json: both values are built in.
    define: { 'import.meta.url': 'THREAD_URL', BUNDLED_VERSION: JSON.stringify(version), ...realmOf(thread) },
    legalComments: 'eof',
    metafile: true,
    logLevel: 'warning',
  });
  for (const name of packagesIn(metafile)) packages.add(name);
  // The compiler's output for this entry is not used.
  rmSync(`${join(dist, thread)}.js`);
}

/** Programs of their own: one file to read instead of a few hundred, and only what it runs. */
for (const name of ['agent-main', 'task-main']) {
  const { metafile } = await build({
    entryPoints: [`src/${name}.ts`],
    outfile: join(dist, `${name}.js`),
    allowOverwrite: true,
    bundle: true,
    // Its text and names stay in memory: half a megabyte.
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Imported only when they are needed, from their own folders: on macOS, and never.
    external: ['systeminformation', '@grpc/proto-loader'],
    // What packages written as CommonJS find in an ES module. None of them may look for files.
    banner: {
      js: `import { createRequire as bundledCreateRequire } from 'node:module';const require = bundledCreateRequire(import.meta.url), __filename = '/bundled/${name}.js', __dirname = '/bundled';`,
    },
    define: { BUNDLED_VERSION: JSON.stringify(version) },
    legalComments: 'eof',
    metafile: true,
    logLevel: 'warning',
  });
  for (const packageName of packagesIn(metafile)) packages.add(packageName);
}

// For THIRD-PARTY-NOTICES: dist/ contains code of these packages.
writeFileSync(join(dist, '.packages.json'), JSON.stringify([...packages].sort()));

/** @param {string} thread */
function realmOf(thread) {
  return thread === 'lane/processor-thread' ? { REALM_SCRIPT: JSON.stringify(realmScript) } : {};
}
