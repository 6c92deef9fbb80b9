/**
 * The decimal that a value stored as 32-bit float was meant to be: the one with the fewest digits that has this 32-bit float, and
 * of those the nearest. 14.9 is stored as 14.899999618…, and read back as 14.9.
 *
 * A 32-bit float has 24 significant bits, and 10^9 has 21 besides its factor 2^9. So their product is exact in a double, and the
 * division of the rounded product by 10^9 gives the double that is nearest to the decimal.
 */

const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/** From here on not every integer is a 32-bit float, and the shortest decimal may end in zeros before the point. */
const LARGE = 2 ** 24;
/** Nine significant digits identify every 32-bit float. */
const MOST_DIGITS = 9;

/** @param value a 32-bit float */
export function shortestDecimal(value: number): number {
  const size = Math.abs(value);
  if (size < LARGE) {
    for (let decimals = 0; decimals < POWERS.length; decimals++) {
      const power = POWERS[decimals] as number;
      const decimal = Math.round(size * power) / power;
      if (Math.fround(decimal) === size) return value === size ? decimal : -decimal;
    }
  }
  return Number.isFinite(value) ? byDigits(value) : value;
}

/** For numbers so large or so small that decimal places do not tell how many digits there are. */
function byDigits(value: number): number {
  for (let digits = 1; digits < MOST_DIGITS; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value) return decimal;
  }
  return Number(value.toPrecision(MOST_DIGITS));
}
