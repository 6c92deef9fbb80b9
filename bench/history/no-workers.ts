/** A directory without workers: everything is read from the database. */
import { Directory } from '../../src/reading/directory.ts';
import { allocateBoard, BoardReader } from '../../src/store/board.ts';

export function noWorkers(): Directory {
  return new Directory(new BoardReader(allocateBoard(1, 0)));
}
