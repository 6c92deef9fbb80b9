/** Programs that are measured if they are installed: in a folder of PATH, such as Debian's packages put them. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Undefined: none of the folders has it. */
export function programPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The series' name and labels in these systems. */
export function seriesName(key: string): string {
  return `pulselane_${key.replaceAll('.', '_')}`;
}
