/**
 * THIRD-PARTY-NOTICES: which third-party packages are in a package of ours, with the full text of each licence. The text depends
 * on the packages only.
 *
 * Existing generators (generate-license-file, license-checker-rseidelsohn) list a tree of dependencies, and depend on npm's own
 * resolver. Here the bundler's list of what it included counts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences that ask for a notice and for nothing else, or, as MIT-0 and 0BSD, not even for that. */
const ALLOWED_LICENCES: readonly string[] = [
  'MIT',
  'MIT-0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
];

/** Packages published without their licence text, and the files that contain the same text. */
const TEXT_ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  // Apache-2.0, which is our own licence; one file is by Google and begins with its licence.
  '@bufbuild/protobuf': ['LICENSE', 'node_modules/@bufbuild/protobuf/dist/esm/wire/varint.js'],
  // The same project and authors as hono.
  '@hono/zod-openapi': ['node_modules/hono/LICENSE'],
  '@hono/zod-validator': ['node_modules/hono/LICENSE'],
  // In the section "license" of what describes them.
  'pg-copy-streams': ['node_modules/pg-copy-streams/README.md'],
  'pg-types': ['node_modules/pg-types/README.md'],
  pgpass: ['node_modules/pgpass/README.md'],
};

const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;
const RULE = '-'.repeat(100);

export interface Notice {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly homepage: string;
  readonly text: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly homepage?: string;
  readonly repository?: string | { readonly url?: string };
}

/** @param folder of a package, relative to the clone @throws Error naming a package without a licence or without its text */
export function noticeOf(root: string, folder: string): Notice {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
  const { name, version, license: licence } = manifest;
  if (licence === undefined) throw new Error(`${folder}/package.json names no licence`);
  const found = readdirSync(join(root, folder)).filter((file) => LICENCE_FILE.test(file));
  const files = found.length > 0 ? found.map((file) => `${folder}/${file}`) : TEXT_ELSEWHERE[name];
  if (files === undefined)
    throw new Error(`${folder} holds no text of its licence (${licence}): name one in notices.ts`);
  const text = [...files]
    .sort()
    .map((file) => textOf(readFileSync(join(root, file), 'utf8'), file))
    .join('\n\n');
  return { name, version, licence, homepage: homepageOf(manifest), text };
}

/** The text of a licence file; of a source file, its first comment; of a README, its section. */
function textOf(content: string, file: string): string {
  const normal = content.replaceAll('\r\n', '\n');
  if (/README\.md$/i.test(file)) return (/^#+ licen[cs]e\n([^#]+)/im.exec(normal)?.[1] ?? '').trim();
  if (!file.endsWith('.js')) return normal.trim();
  return (/^(?:\/\/.*\n)+/.exec(normal)?.[0] ?? '').replaceAll(/^\/\/ ?/gm, '').trim();
}

function homepageOf({ homepage, repository }: Manifest): string {
  const url = homepage ?? (typeof repository === 'string' ? repository : repository?.url) ?? '';
  return url.replace(/^git\+/, '').replace(/\.git$/, '');
}

/** Whether every part of an SPDX expression is allowed: "MIT", "(Apache-2.0 AND BSD-3-Clause)". */
export function isAllowed(licence: string): boolean {
  const names = licence
    .replaceAll(/[()]/g, ' ')
    .trim()
    .split(/\s+(?:AND|OR)\s+/);
  return names.every((name) => ALLOWED_LICENCES.includes(name.trim()));
}

/**
 * @param what they are part of
 * @param folders of packages, relative to the clone
 * @param node the folder of the Node that is included
 */
export function noticesText(what: string, root: string, folders: readonly string[], node?: string): string {
  const all = folders.map((folder) => noticeOf(root, folder)).sort(byNameAndVersion);
  // The same version may be installed in several places.
  const notices = all.filter((notice, i) => i === 0 || byNameAndVersion(notice, all[i - 1] as Notice) !== 0);
  const parts = notices.map(({ name, version, licence, homepage, text }) => {
    return `${RULE}\n${name} ${version}\n${licence}\n${homepage}\n\n${text}\n`;
  });
  if (node !== undefined) parts.push(`${RULE}\n${nodeNotice(root, node)}\n`);
  const list = notices.map(({ name, version, licence }) => `  ${name} ${version} (${licence})`);
  if (node !== undefined) list.push(`  ${nodeName(root, node)} (MIT, and those of its parts)`);
  return `${what} contains code of others:\n\n${list.join('\n')}\n\n${parts.join('\n')}`;
}

function nodeName(root: string, node: string): string {
  const { version } = JSON.parse(readFileSync(join(root, node, 'package.json'), 'utf8')) as Manifest;
  return `Node.js ${version}`;
}

/** Node's LICENSE also lists the libraries built into Node, with their licences: V8, OpenSSL, ICU and others. */
function nodeNotice(root: string, node: string): string {
  return `${nodeName(root, node)}\n\n${readFileSync(join(root, node, 'LICENSE'), 'utf8').trim()}`;
}

function byNameAndVersion(a: Notice, b: Notice): number {
  const [left, right] = [`${a.name} ${a.version}`, `${b.name} ${b.version}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Folders of all production dependencies in the lockfile. */
export function productionPackages(root: string): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([folder, { dev, devOptional }]) => folder !== '' && !dev && !devOptional)
    .map(([folder]) => folder)
    .sort();
}
