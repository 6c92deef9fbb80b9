/** What both parsers of heartbeats must do in the same way: main's scanner and the lanes' decoder. */

/**
 * Maximum nesting of groups in unknown fields, so that no message can overflow the stack. Half of the protobuf
 * library's limit, which also counts enclosing messages: what the library refuses must not be accepted here, and real
 * messages have no groups.
 */
export const MAX_GROUP_DEPTH = 50;
