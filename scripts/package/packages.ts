/** Makes the packages of one run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noDebReason, packDeb } from './deb.ts';
import { noExecutableReason, packExecutable } from './executable.ts';
import type { Packed } from './parts.ts';
import { bundleProgram } from './program-bundle.ts';
import { packTarball } from './tarball.ts';

export const KINDS = ['tarball', 'deb', 'executable'] as const;
export type Kind = (typeof KINDS)[number];

export interface Packaging {
  readonly kinds: readonly Kind[];
  /** Where the packages are put; it exists. */
  readonly folder: string;
  /** Called before each step. */
  readonly onStep: (line: string) => void;
  /** Why a package is left out here. */
  readonly onLeftOut: (kind: Kind, reason: string) => void;
  /** Of the Debian package, as options of dpkg-deb. */
  readonly debCompression?: readonly string[];
}

export async function makePackages(packaging: Packaging): Promise<Packed[]> {
  const { folder, onStep, onLeftOut, debCompression } = packaging;
  const kinds = packaging.kinds.filter((kind) => {
    const reason = reasonAgainst(kind);
    if (reason !== undefined) onLeftOut(kind, reason);
    return reason === undefined;
  });

  const scratch = mkdtempSync(join(tmpdir(), 'pulselane-package-'));
  try {
    const packed: Packed[] = [];
    if (kinds.includes('tarball')) {
      onStep('Packing the tarball');
      packed.push(packTarball(folder, scratch));
    }
    if (kinds.includes('deb')) {
      onStep('Building the Debian package');
      const program = await bundleProgram(join(scratch, 'split'), 'split');
      packed.push(packDeb(folder, scratch, program, debCompression));
    }
    if (kinds.includes('executable')) {
      onStep('Building the executable');
      const program = await bundleProgram(join(scratch, 'single'), 'single');
      packed.push(...packExecutable(folder, scratch, program));
    }
    return packed;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function reasonAgainst(kind: Kind): string | undefined {
  if (kind === 'deb') return noDebReason();
  return kind === 'executable' ? noExecutableReason() : undefined;
}
