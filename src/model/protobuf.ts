/** What both readers of heartbeats must do alike: main, which scans them, and lanes, which decode them. */

/**
 * Groups within groups, in fields that nobody here knows; readers of protobuf skip them. A bound, so that no message can
 * overflow the stack. Half of the library's, which counts the messages around them too: nobody sends any that deep, and
 * what it refuses must not be read here.
 */
export const MAX_GROUP_DEPTH = 50;
