/** Captions of pictures. */

/** Return the words under a picture, and how it was scaled to be drawn, where it was. */
export function captionOf(words, drawn) {
  return [words, drawn].filter(Boolean).join(" · ");
}
