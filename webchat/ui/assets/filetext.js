// The text in a file. Without a document, so that it can be tested by itself.

const MEDIA = /^(image|audio|video|font)\/|^application\/(pdf|zip)$/;
const BYTES = 4; // of the longest character

// Null for a file that is no text. Of one with more than `limit` characters only the beginning is read, which has more
// than that, too.
/** @param {File} file @param {number} limit */
export async function textOf(file, limit) {
  if (MEDIA.test(file.type)) return null;
  const most = BYTES * (limit + 1);
  try {
    return decoded(new Uint8Array(await file.slice(0, most).arrayBuffer()), file.size > most);
  } catch {
    return null; // a folder, or a file that went away
  }
}

// UTF-8, or UTF-16 with its mark; null for other bytes. cut: the last character may be missing its end.
/** @param {Uint8Array} bytes @param {boolean} cut */
function decoded(bytes, cut) {
  const mark = (bytes[0] << 8) | bytes[1];
  const encoding = mark === 0xfffe ? "utf-16le" : mark === 0xfeff ? "utf-16be" : "utf-8";
  const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: cut });
  return text.includes("\0") ? null : text.replace(/\r\n?/g, "\n");
}
