// Names of controls and pictures, headings in order, languages, labels, and contrast of all texts in sight.
() => {
  const found = [];
  const say = (rule, element) => found.push(`${rule}: ${element.outerHTML.slice(0, 120)}`);
  const nameOf = (element) => (element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent || element.title || "").trim();
  if (!document.documentElement.lang) say("the page has no language", document.documentElement);
  if (!document.title) say("the page has no title", document.documentElement);
  for (const image of document.images) if (!image.hasAttribute("alt")) say("a picture without alternative text", image);
  for (const control of document.querySelectorAll("button, a[href], input, select, summary")) {
    if (control.closest("svg")) continue;
    if (!nameOf(control)) say("a control without a name", control);
  }
  for (const drawing of document.querySelectorAll("svg:not([aria-hidden])")) {
    if (!drawing.querySelector("title") || !drawing.querySelector("desc")) say("a drawing without title and description", drawing);
  }
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const own = Number(heading.tagName[1]);
    if (level && own > level + 1) say("a heading leaves out a level", heading);
    level = own;
  }
  const ids = [...document.querySelectorAll("[id]")].filter((each) => !each.closest("svg")).map((each) => each.id);
  for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) found.push(`an id twice: ${id}`);
  const scale = (colour) => (colour.startsWith("color(") ? 255 : 1); // of "color(srgb 0.5 0.5 0.5)"
  const parse = (colour) => (colour.match(/[\d.]+/g) || []).map((value, place) => Number(value) * (place < 3 ? scale(colour) : 1));
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !element.checkVisibility() || element.closest("svg, .layers, script, .unseen, :disabled")) continue;
    const [ink, paper] = [parse(getComputedStyle(element).color), ground(element)];
    let opacity = 1;
    for (let each = element; each; each = each.parentElement) opacity *= Number(getComputedStyle(each).opacity);
    const mixed = ink.slice(0, 3).map((v, k) => v * opacity + paper[k] * (1 - opacity));
    const [low, high] = [light(mixed), light(paper)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) say(`contrast ${((high + 0.05) / (low + 0.05)).toFixed(2)}`, element);
  }
  return found;
}
