/**
 * Carries out a Dockerfile without a container engine: each stage is a folder, in which absolute paths lie as they would
 * in the image. What it proves: that every command runs, that what a stage copies is there, and that nothing else is
 * needed to run. What it does not: the base image, and isolation.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join, matchesGlob, relative } from 'node:path';
import { assignments, execForm, type Instruction, parseDockerfile, type Stage } from './dockerfile.ts';

export interface Image {
  /** The folder that is `/` to the image. */
  readonly root: string;
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly volumes: readonly string[];
  readonly ports: readonly number[];
  readonly stopSignal: string;
  /** ENTRYPOINT and CMD. */
  readonly command: readonly string[];
  readonly healthCommand: readonly string[];
}

export interface BuildContext {
  readonly dockerfile: string;
  /** The folder that is sent to the engine. */
  readonly context: string;
  /** Where the stages come to lie. */
  readonly folder: string;
  /** PATH of the commands. */
  readonly path: string;
  /** Called before the first RUN of each stage, to put in place what would take long to fetch. */
  readonly beforeRuns: (workdir: string) => void;
  /** Who gets what `--chown` gives away; itself if this process may not give files away. */
  readonly mayChown: boolean;
}

type Draft = { -readonly [K in keyof Image]: Image[K] };

export function buildImage(build: BuildContext): Image {
  const images = new Map<string | undefined, Image>();
  const stages = parseDockerfile(readFileSync(build.dockerfile, 'utf8'));
  for (const [index, stage] of stages.entries()) images.set(stage.name, buildStage(stage, index, images, build));
  const last = images.get(stages.at(-1)?.name);
  if (last === undefined) throw new Error('there is no FROM');
  return last;
}

function buildStage(
  stage: Stage,
  index: number,
  images: ReadonlyMap<string | undefined, Image>,
  build: BuildContext,
): Image {
  const image: Draft = {
    root: join(build.folder, `stage-${index}`),
    workdir: '/',
    environment: {},
    user: { uid: 0, gid: 0 },
    volumes: [],
    ports: [],
    stopSignal: 'SIGTERM',
    command: [],
    healthCommand: [],
  };
  mkdirSync(image.root);
  let hasRun = false;
  for (const instruction of stage.instructions) {
    if (instruction.name === 'RUN' && !hasRun) {
      hasRun = true;
      build.beforeRuns(join(image.root, image.workdir));
    }
    carryOut(instruction, image, images, build);
  }
  return image;
}

function carryOut(
  { name, flags, rest }: Instruction,
  image: Draft,
  images: ReadonlyMap<string | undefined, Image>,
  build: BuildContext,
): void {
  const inImage = (path: string) => join(image.root, path.startsWith('/') ? path : join(image.workdir, path));
  switch (name) {
    case 'WORKDIR':
      image.workdir = rest;
      mkdirSync(inImage('.'), { recursive: true });
      return;
    case 'ENV':
      image.environment = { ...image.environment, ...assignments(rest) };
      return;
    case 'COPY': {
      const sources = rest.split(/\s+/);
      const target = sources.pop() as string;
      const from = flags.from === undefined ? undefined : images.get(flags.from);
      if (flags.from !== undefined && from === undefined) throw new Error(`there is no stage ${flags.from}`);
      const ignored = from === undefined ? ignoreRules(join(build.context, '.dockerignore')) : () => false;
      for (const source of sources) {
        const path = join(from?.root ?? build.context, source);
        // A folder's content is copied; a file comes into a folder that is named with a slash.
        const isFile = !lstatSync(path).isDirectory();
        const to = inImage(isFile && target.endsWith('/') ? join(target, basename(source)) : target);
        copyTree(path, to, (at) => ignored(relative(build.context, at)));
        if (flags.chown !== undefined && build.mayChown) chownSync(to, ...owner(flags.chown));
      }
      return;
    }
    case 'RUN':
      if (/(^|\s)\//.test(rest)) throw new Error(`an absolute path would be that of this machine: RUN ${rest}`);
      // As clean an environment as a build has: with what npm tells its children, npm would work on the clone.
      execFileSync('sh', ['-c', rest], {
        cwd: inImage('.'),
        env: { PATH: build.path, HOME: build.folder, ...image.environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return;
    case 'USER': {
      const [uid, gid] = owner(rest);
      image.user = { uid, gid };
      return;
    }
    case 'VOLUME':
      image.volumes = [...image.volumes, rest];
      return;
    case 'EXPOSE':
      image.ports = rest.split(/\s+/).map(Number);
      return;
    case 'STOPSIGNAL':
      image.stopSignal = rest;
      return;
    case 'HEALTHCHECK':
      image.healthCommand = execForm(/CMD\s+(.*)$/.exec(rest)?.[1] ?? '');
      return;
    case 'ENTRYPOINT':
      image.command = execForm(rest);
      return;
    case 'CMD':
      image.command = [...image.command, ...execForm(rest)];
      return;
    default:
      throw new Error(`a stage cannot hold ${name} here`);
  }
}

function owner(text: string): [number, number] {
  const [uid, gid] = text.split(':').map(Number);
  if (!uid || !gid) throw new Error(`expected numbers other than 0, such as 1000:1000: ${text}`);
  return [uid, gid];
}

/** Whether a path, relative to the context, is left out of it. */
function ignoreRules(file: string): (path: string) => boolean {
  const patterns = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return (path) => patterns.some((pattern) => matchesGlob(path, pattern));
}

/** Files as hard links where that is possible: a build changes none in place, and thousands are quickly linked. */
export function copyTree(from: string, to: string, isIgnored: (path: string) => boolean = () => false): void {
  if (isIgnored(from)) return;
  const status = lstatSync(from);
  if (status.isDirectory()) {
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) copyTree(join(from, name), join(to, name), isIgnored);
  } else if (status.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
  } else {
    mkdirSync(dirname(to), { recursive: true });
    rmSync(to, { force: true });
    try {
      linkSync(from, to);
    } catch {
      copyFileSync(from, to);
    }
  }
}

/** Takes from every folder, or gives back, the permission to add and remove files: files themselves may be links. */
export function setFoldersWritable(root: string, writable: boolean): void {
  if (!lstatSync(root).isDirectory()) return;
  if (writable) chmodSync(root, 0o755);
  for (const name of readdirSync(root)) setFoldersWritable(join(root, name), writable);
  if (!writable) chmodSync(root, 0o555);
}
