// What tests/peers/browser asks a page. Evaluated from outside the page's policy.
window.$ = (id) => document.getElementById(id);
window.every = (selector, from = document) => [...from.querySelectorAll(selector)];
window.visible = (selector) => every(selector).filter((one) => one.checkVisibility());
window.shows = (selector) => visible(selector).map((one) => one.id || one.outerHTML.slice(0, 80));
window.rowOf = (section, text, column = 0) => {
  const row = every(`${section} tbody tr`).find((one) => one.cells[column] && one.cells[column].textContent === text);
  return row ? [...row.cells].map((one) => one.textContent) : null;
};
window.onScreen = (one) => {
  const box = one.getBoundingClientRect();
  return box.width > 10 && box.height > 10 && box.left >= 0 && box.top >= 0;
};
window.loaded = (tag, address) => new Promise((done) => {
  const one = document.createElement(tag);
  addEventListener("securitypolicyviolation", () => done("refused"), { once: true });
  one.onload = () => done("sent");
  one.onerror = () => done("refused");
  try {
    if (tag === "link") one.rel = "stylesheet";
    one[tag === "link" ? "href" : "src"] = address;
    document.body.append(one);
  } catch { done("refused"); }
});

const channels = (text) => {
  const found = text.match(/[\d.]+/g).map(Number);
  return found.length === 3 ? [...found, 1] : found;
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
window.backdrop = (one) => {
  const layers = [];
  for (let at = one; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
};
window.ground = () => backdrop(document.body).map(Math.round);
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
// Texts whose contrast is below WCAG's AA: 4.5, or 3 for large ones; and lines of
// charts and borders of fields below 3.
window.pale = () => {
  const found = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let count = 0;
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || one.closest("svg, script, style") || !one.checkVisibility()) continue;
    count += 1;
    const style = getComputedStyle(one);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const behind = backdrop(one);
    const ratio = contrast(over(channels(style.color), behind), behind);
    if (ratio < (isLarge ? 3 : 4.5)) found.add(`${ratio.toFixed(2)} ${one.tagName}.${one.className}: ${texts.currentNode.textContent.slice(0, 40)}`);
  }
  for (const one of every("svg .area, input, select, #theme, .exit").filter((it) => it.checkVisibility())) {
    const style = getComputedStyle(one);
    const line = one.closest("svg") ? style.stroke : style.borderTopColor;
    const ratio = contrast(channels(line).slice(0, 3), backdrop(one.parentElement));
    if (ratio < 3) found.add(`${ratio.toFixed(2)} line of ${one.tagName}.${one.getAttribute("class")}`);
  }
  if (count < 20) found.add(`only ${count} texts were looked at`);
  return [...found].slice(0, 10);
};

// What an accessibility checker would say first.
window.faults = () => {
  const found = [];
  const named = (one) => {
    const by = one.getAttribute("aria-labelledby");
    const label = one.id && document.querySelector(`label[for="${one.id}"]`);
    return one.getAttribute("aria-label") || (by && document.getElementById(by)?.textContent) || label?.textContent || one.textContent.trim();
  };
  if (document.documentElement.lang !== "en") found.push("no language");
  if (!document.title) found.push("no title");
  for (const one of every("input, select, button, a, section, nav, [role=region], [role=img]")) {
    if (!named(one)) found.push(`no name: ${one.outerHTML.slice(0, 100)}`);
  }
  for (const one of every("input, select")) {
    if (!document.querySelector(`label[for="${one.id}"]`)) found.push(`no label: ${one.id}`);
  }
  for (const one of every("table")) {
    if (!one.caption || !one.caption.textContent.trim()) found.push("a table without a caption");
    if (!one.tHead) found.push("a table without heads");
    if (!one.closest(".box[tabindex='0']")) found.push("a table that cannot be scrolled by keyboard");
    const widths = new Set([...one.rows].map((row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0)));
    if (widths.size > 1) found.push(`a ragged table: ${one.caption.textContent}`);
  }
  for (const one of every("thead th")) if (one.scope !== "col") found.push("a head without a scope");
  for (const one of every("table.sorts th")) {
    if (!one.hasAttribute("aria-sort") || !one.querySelector("button")) found.push("a head that does not sort");
  }
  const ids = every("[id]").map((one) => one.id);
  for (const id of ids.filter((one, at) => ids.indexOf(one) !== at)) found.push(`twice: #${id}`);
  for (const one of every("a[href^='#']")) {
    if (!document.getElementById(one.getAttribute("href").slice(1))) found.push(`a link to nowhere: ${one.getAttribute("href")}`);
  }
  const levels = every("h1, h2, h3, h4").map((one) => Number(one.tagName[1]));
  if (levels.filter((one) => one === 1).length !== 1) found.push("not one h1");
  levels.forEach((one, at) => { if (at && one > levels[at - 1] + 1) found.push(`h${levels[at - 1]} then h${one}`); });
  // A result is told by a mark and a word, not by its colour alone.
  for (const one of every(".st")) if (!/^\S+ \S+/.test(one.textContent)) found.push(`only colour: ${one.textContent}`);
  for (const one of visible("button, summary, select, input")) {
    const box = one.getBoundingClientRect();
    if (box.width < 24 || box.height < 24) found.push(`small: ${one.outerHTML.slice(0, 60)} ${box.width}x${box.height}`);
  }
  return [...new Set(found)].slice(0, 10);
};
// Elements that reach beyond the page's width and are not in a box that scrolls.
window.cut = () => every("body *")
  .filter((one) => one.checkVisibility() && !one.closest(".box, .hidden, .skip, svg"))
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((one) => one.outerHTML.slice(0, 80)).slice(0, 5);
window.focused = () => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  return {
    what: `${one.tagName} ${one.id} ${one.className} ${one.textContent.slice(0, 20)}`,
    ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
  };
};
0;
