/** A processor that does nothing: what is measured is what it costs to have one. */
export default function idle() {}
