/** Write into `element` what `words` gives, now and twice a second, until that is null or the element has left the page. */
/** @param {HTMLElement} element @param {() => string | null} words */
export function ticking(element, words) {
  const write = () => {
    const text = words();
    if (text !== null && element.textContent !== text) element.textContent = text;
    return text !== null;
  };
  if (!write()) return;
  const timer = setInterval(() => (!element.isConnected || !write()) && clearInterval(timer), 500);
}
