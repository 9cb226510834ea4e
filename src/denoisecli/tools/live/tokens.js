/** CLIP's tokenizer: lower case, byte-level BPE, start and end. */

const WORDS = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu;
const [START, END] = ["<|startoftext|>", "<|endoftext|>"];

/**
 * vocab: {token: id}; merges: ["a b", …], the first ones first; length: ids of a prompt, start and end among them;
 * pieces: tokens that look like words and are only pieces of longer ones.
 * Returns {ids(text), unknown(text), cut(text)}: unknown: the words that are no token of their own, which a model of few
 * words never met; cut: how many tokens find no room.
 */
export function makeTokenizer({ vocab, merges, length, pieces: partial = [] }) {
  const rank = new Map(merges.map((pair, k) => [pair, k]));
  const letters = byteLetters();
  const pieces = (word) => {
    const parts = [...new TextEncoder().encode(word)].map((byte) => letters[byte]);
    parts[parts.length - 1] += "</w>";
    for (;;) {
      let [best, place] = [Infinity, -1];
      for (let k = 0; k + 1 < parts.length; k++) {
        const found = rank.get(`${parts[k]} ${parts[k + 1]}`);
        if (found < best) [best, place] = [found, k];
      }
      if (place < 0) return parts;
      parts.splice(place, 2, parts[place] + parts[place + 1]);
    }
  };
  const words = (text) => text.normalize("NFC").replace(/\s+/g, " ").toLowerCase().match(WORDS) ?? [];
  const tokens = (text) => words(text).flatMap((word) => (word === START || word === END ? [vocab[word]] : pieces(word).map((piece) => vocab[piece])));
  const ids = (text) => {
    const inside = tokens(text).slice(0, length - 2);
    return [vocab[START], ...inside, ...Array(length - 1 - inside.length).fill(vocab[END])];
  };
  const unknown = (text) => [...new Set(words(text).filter((word) => pieces(word).length > 1 || partial.includes(word)))];
  return { ids, unknown, cut: (text) => Math.max(0, tokens(text).length - (length - 2)) };
}

/** Return the letter that stands for each byte: printable ones for themselves, the others from U+0100 on. */
function byteLetters() {
  const plain = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(plain(byte) ? byte : next++));
}
