/** B·A at any rank, from the factors of the singular value decomposition: the sum of that many parts σ·u·vᵀ. */

/**
 * B: (rows, most), A: (most, columns), arrays in which row follows row. Returns {at, part}: at(rank) is the product of
 * the first `rank` columns of B and rows of A, (rows, columns); the same array each time, changed by the parts between.
 * part(k, out) fills `out` with the k-th part alone, k = 0 … most − 1.
 */
export function makeProduct(B, A, rows, columns, most) {
  const sum = new Float64Array(rows * columns);
  let rank = 0;
  const add = (k, sign, out) => {
    for (let i = 0, at = 0; i < rows; i++) {
      const left = sign * B[i * most + k];
      for (let j = 0; j < columns; j++, at++) out[at] += left * A[k * columns + j];
    }
  };
  const at = (wanted) => {
    while (rank < wanted) add(rank++, 1, sum);
    while (rank > wanted) add(--rank, -1, sum);
    return sum;
  };
  const part = (k, out) => {
    out.fill(0);
    add(k, 1, out);
    return out;
  };
  return { at, part };
}

/** Return what ranks 1 … n keep of Σσ², and what they miss: {energy: [share], error: [‖rest‖ / ‖all‖]}. */
export function keptOf(values) {
  const squares = Array.from(values, (value) => value * value);
  const total = squares.reduce((sum, value) => sum + value, 0) || 1;
  const rest = squares.slice();
  for (let i = rest.length - 2; i >= 0; i--) rest[i] += rest[i + 1];
  const missed = squares.map((_, i) => (rest[i + 1] ?? 0) / total);
  return { energy: missed.map((share) => 1 - share), error: missed.map(Math.sqrt) };
}

/** Fill RGBA `out` with signed numbers: 0 in colour `zero`, +limit `up`, −limit `down`, straight lines between. */
export function signedPixels(out, numbers, limit, { zero, up, down }) {
  for (let i = 0; i < numbers.length; i++) {
    const share = Math.max(-1, Math.min(1, numbers[i] / limit));
    const end = share < 0 ? down : up;
    for (let c = 0; c < 3; c++) out[4 * i + c] = Math.round(zero[c] + Math.abs(share) * (end[c] - zero[c]));
    out[4 * i + 3] = 255;
  }
}
