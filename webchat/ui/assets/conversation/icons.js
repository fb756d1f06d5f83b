// Line icons of our own, 24 by 24, drawn in the text's colour.

const SHAPES = {
  copy: '<rect x="9" y="9" width="11" height="11" rx="2.5"/><path d="M5.5 15H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v.5"/>',
  check: '<path d="m5 12.5 4.5 4.5L19 7.5"/>',
  retry: '<path d="M20 11a8 8 0 0 0-14.3-3.9L4 9"/><path d="M4 4.5V9h4.5"/><path d="M4 13a8 8 0 0 0 14.3 3.9L20 15"/><path d="M20 19.5V15h-4.5"/>',
  edit: '<path d="M4 20h4L19 9a2.8 2.8 0 0 0-4-4L4 16z"/><path d="m13.5 6.5 4 4"/>',
  up: '<path d="M7 11v9H4.5A1.5 1.5 0 0 1 3 18.500v-6A1.5 1.5 0 0 1 4.5 11z"/><path d="m7 11 4-7.200c1.6 0 2.7 1.2 2.5 2.700L13 10h5.300a2 2 0 0 1 2 2.400l-1.2 6A2 2 0 0 1 17.1 20H7"/>',
  down: '<path d="M17 13V4h2.500A1.5 1.5 0 0 1 21 5.500v6a1.5 1.5 0 0 1-1.5 1.500z"/><path d="m17 13-4 7.200c-1.6 0-2.7-1.2-2.5-2.700L11 14H5.700a2 2 0 0 1-2-2.400l1.2-6A2 2 0 0 1 6.9 4H17"/>',
  more: '<g fill="currentColor" stroke="none"><circle cx="5.5" cy="12" r="1.6"/><circle cx="12" cy="12" r="1.6"/><circle cx="18.5" cy="12" r="1.6"/></g>',
  left: '<path d="m14.5 6-6 6 6 6"/>',
  right: '<path d="m9.5 6 6 6-6 6"/>',
  chevron: '<path d="m7 10 5 5 5-5"/>',
  arrowDown: '<path d="M12 5v14"/><path d="m6 13 6 6 6-6"/>',
  info: '<circle cx="12" cy="12" r="9"/><path d="M12 11v5"/><path d="M12 7.800v.1"/>',
  trash: '<path d="M4 7h16"/><path d="M9.5 7V4.500h5V7"/><path d="m6 7 .9 11.200A2 2 0 0 0 8.9 20h6.200a2 2 0 0 0 2-1.800L18 7"/>',
  play: '<path d="M7 5.500v13l11-6.500z"/>',
  wrap: '<path d="M4 6h16"/><path d="M4 12h13a3 3 0 0 1 0 6h-4"/><path d="m15 15.5-2.5 2.5 2.5 2.5"/><path d="M4 18h4"/>',
  image: '<rect x="3" y="4.5" width="18" height="15" rx="2.5"/><circle cx="8.5" cy="10" r="1.5"/><path d="m4 18 5.5-4.5 3.5 2.5 3.5-3.5 4 4"/>',
  bulb: '<path d="M9 18h6"/><path d="M10 21h4"/><path d="M8.6 15c-1.7-1.2-2.6-3-2.6-5a6 6 0 0 1 12 0c0 2-.9 3.8-2.6 5z"/>',
  letter: '<rect x="3" y="5.5" width="18" height="13" rx="2.5"/><path d="m4 8 8 5.500L20 8"/>',
  code: '<path d="m8.5 7-5 5 5 5"/><path d="m15.5 7 5 5-5 5"/><path d="m13.5 5-3 14"/>',
  map: '<path d="M12 21c4-4.2 6.5-7.5 6.5-10.500a6.5 6.5 0 0 0-13 0C5.5 13.5 8 16.8 12 21z"/><circle cx="12" cy="10.5" r="2.3"/>',
  close: '<path d="m6 6 12 12"/><path d="M18 6 6 18"/>',
  alert: '<path d="M12 4 2.8 19.500h18.400z"/><path d="M12 10v4.5"/><path d="M12 17v.1"/>',
  shield: '<path d="M12 4 5.5 6.5v5c0 4 2.7 6.9 6.5 8.5 3.8-1.6 6.5-4.5 6.5-8.5v-5zM9 12l2.2 2.2L15.2 10"/>',
};

/** @typedef {keyof typeof SHAPES} Glyph */

/** The markup of an icon; `name` is one of ours, never outside text. */
/** @param {Glyph} name */
function iconMarkup(name) {
  return `<svg class="wc-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${SHAPES[name]}</svg>`;
}

/** The same as an element. */
/** @param {Glyph} name */
export function icon(name) {
  const holder = document.createElement("template");
  holder.innerHTML = iconMarkup(name);
  return /** @type {SVGElement} */ (holder.content.firstChild);
}
