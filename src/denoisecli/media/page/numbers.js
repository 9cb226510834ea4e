/** Numbers as the films write them. */

/** About three figures and no exponent where it can: 14.6, 2.83, 0.111, 0.0047. */
export function threeFigures(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size === 0 || size >= 100) return signed(value.toFixed(0));
  if (size >= 10) return signed(value.toFixed(1));
  if (size >= 1) return signed(value.toFixed(2));
  if (size >= 0.01) return signed(value.toFixed(3));
  return signed(size >= 0.0001 ? value.toFixed(4) : value.toExponential(0));
}

/** The scheduler's t: whole, or with one decimal where it has a fraction. */
export function timestep(value) {
  if (!isNumber(value)) return "–";
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** A ratio in decibels; `none` where it is infinite. */
export function decibels(value, none = "∞") {
  return isNumber(value) ? `${signed(value.toFixed(1))} dB` : none;
}

/** At most three figures, and none that says nothing: 7.5, 0.4, 12. */
export function short(value) {
  return isNumber(value) ? signed(String(Number(value.toPrecision(3)))) : "–";
}

/** A share as a percentage: 9.8 %, 47 %. */
export function percent(value) {
  return isNumber(value) ? `${signed((100 * value).toFixed(Math.abs(value) < 0.1 ? 1 : 0))} %` : "–";
}

/** A share with one decimal; 100.0 % only where nothing at all is missing. */
export function tenths(value) {
  return isNumber(value) ? `${value >= 0.9995 && value < 1 - 1e-9 ? "99.9" : (100 * value).toFixed(1)} %` : "–";
}

/** 3, or 3–5: the range of whole numbers. */
export function range(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? String(low) : `${low}–${high}`;
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function signed(text) {
  return text.replace("-", "−");
}
