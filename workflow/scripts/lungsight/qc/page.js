"use strict";
// A decision is one entry of the browser's local storage, named by slice and time: entries are added, never changed,
// so two windows and two cohorts do not disturb each other, and a reload finds everything again.
const data = JSON.parse(document.getElementById("data").textContent);
const PER_PAGE = 24;
const PREFIX = "lungsight-qc|";
const REVIEWER = "lungsight-qc-reviewer";
const EXPORTED = `lungsight-qc-exported-${data.cohort}`;
const FILTERS = ["all", "undecided", "kept", "rejected", "disputed"];
const ANY_RULE = "";
const COLUMNS = ["slice", "whole_keep", "segmented_keep", "reason", "reviewer", "time"];
const element = (id) => document.getElementById(id);
const indexOf = new Map(data.slices.map((name, index) => [name, index]));

const unstored = new Set();   // entries that the browser could not store: only this page has them
let log = [];                 // this person's decisions on this page's slices, oldest first
const decided = new Map();    // index of a slice → its latest decision
let pane = "segmented";
let filter = "all";
let rule = ANY_RULE;          // number of a rule that a slice must break
let disputed = new Set();     // indices on which reviewers of loaded files differ
let list = [];                // indices that the filter shows; fixed until it is chosen again, so that nothing jumps
let at = 0;                   // place in the list
let reasonOpen = false;       // a rejection without a reason was just given to the current slice

function notify(text) {
  element("notice").textContent = text;
}

// What is stored

function entryOf(name, text) {
  const [, slice, time] = name.split("|");
  try {
    return indexOf.has(slice) ? { slice, time, ...JSON.parse(text) } : null;
  } catch (error) {
    return null; // not one of ours
  }
}

function load() {
  log = [...unstored];
  try {
    for (const name of Object.keys(localStorage)) {
      const entry = name.startsWith(PREFIX) ? entryOf(name, localStorage.getItem(name)) : null;
      if (entry) log.push(entry);
    }
    if (document.activeElement !== element("reviewer")) element("reviewer").value = localStorage.getItem(REVIEWER) || "";
  } catch (error) {
    notify("This browser keeps nothing over a reload: export before you close the page.");
  }
  log.sort((a, b) => (a.time < b.time ? -1 : 1));
  decided.clear();
  for (const entry of log) decided.set(indexOf.get(entry.slice), entry);
}

// Another window decided or took back: what it keeps is ours as well. The slice that we show stays, whatever the filter:
// the next key must not decide on another one.
window.addEventListener("storage", (event) => {
  if (event.key !== null && !event.key.startsWith(PREFIX)) return;
  const current = list[at];
  load();
  refresh(current, true);
});

function lastExport() {
  try {
    return localStorage.getItem(EXPORTED) || "";
  } catch (error) {
    return "";
  }
}

function keep(entry) {
  log.push(entry);
  decided.set(indexOf.get(entry.slice), entry);
  const { slice, time, ...rest } = entry;
  try {
    localStorage.setItem(`${PREFIX}${slice}|${time}`, JSON.stringify(rest));
  } catch (error) {
    unstored.add(entry);
    notify("The browser's storage is full or closed: export now, before you close the page.");
  }
}

function forgetLast() {
  const entry = log.pop();
  const index = indexOf.get(entry.slice);
  unstored.delete(entry);
  try {
    localStorage.removeItem(`${PREFIX}${entry.slice}|${entry.time}`);
  } catch (error) { /* what was never stored needs no removal */ }
  const before = log.findLast((other) => other.slice === entry.slice);
  if (before) decided.set(index, before); else decided.delete(index);
  return index;
}

// Times order the decisions, so no two are equal.
function now() {
  const last = log.length ? Date.parse(log[log.length - 1].time) : 0;
  return new Date(Math.max(Date.now(), last + 1)).toISOString();
}

const clean = (text) => text.replace(/[\t\r\n|]+/g, " ").trim();
const reviewer = () => clean(element("reviewer").value).toUpperCase();

// What stands

function verdict(index) {
  const person = decided.get(index);
  return person || { whole: data.whole[index], segmented: data.segmented[index], reason: data.reason[index] };
}

function shown(index) {
  if (rule !== ANY_RULE && !data.broken[index].includes(Number(rule))) return false;
  if (filter === "disputed") return disputed.has(index);
  if (filter === "undecided") return !decided.has(index);
  if (filter === "kept") return verdict(index)[pane] === 1;
  if (filter === "rejected") return verdict(index)[pane] === 0;
  return true;
}

function refresh(current, keepCurrent = false) {
  list = data.slices.map((_, index) => index).filter((index) => shown(index) || (keepCurrent && index === current));
  if (element("order").value === "position") list.sort((a, b) => data.position[a] - data.position[b]);
  const place = list.indexOf(current);
  at = place < 0 ? 0 : place;
  draw();
}

// What a person does

function move(step) {
  reasonOpen = false;
  const wanted = at + step;
  if (wanted >= list.length) {
    if (filter === "undecided") refresh();
    notify(filter === "undecided" && !list.length ? "Everything is decided. Export your decisions." : "This is the end of the list.");
  } else if (wanted >= 0) {
    at = wanted;
    notify("");
  }
  draw();
}

function decide(accepted, reason) {
  if (!list.length) return;
  const index = list[at];
  const stands = verdict(index);
  const entry = { slice: data.slices[index], time: now(), whole: stands.whole, segmented: stands.segmented, reason: "", reviewer: reviewer() };
  if (pane === "segmented") {
    entry.segmented = accepted ? 1 : 0;
    if (accepted) entry.whole = 1;
  } else {
    entry.whole = accepted ? 1 : 0;
    if (!accepted) entry.segmented = 0;
  }
  if (!entry.whole || !entry.segmented) entry.reason = reason || (accepted ? stands.reason : data.reason[index]) || "rejected by a person";
  keep(entry);
}

function accept() {
  decide(true);
  move(1);
}

function reject() {
  if (reasonOpen) { move(1); return; }
  decide(false);
  reasonOpen = list.length > 0;
  notify("Rejected. A number gives the reason, j goes on.");
  draw();
}

function giveReason(number) {
  const reason = data.reasons[pane][number - 1];
  if (!reason) return;
  // Another window may have decided since: only our own rejection is replaced.
  if (reasonOpen && log.at(-1)?.slice === data.slices[list[at]]) forgetLast();
  decide(false, reason);
  move(1);
}

function undo() {
  if (!log.length) { notify("There is nothing to undo."); return; }
  reasonOpen = false;
  const index = forgetLast();
  const place = list.indexOf(index);
  if (place < 0) { filter = "all"; setRule(ANY_RULE); refresh(index); } else { at = place; draw(); }
  notify("The last decision is undone.");
}

function choosePane(name) {
  pane = name;
  reasonOpen = false;
  if (filter === "kept" || filter === "rejected") refresh(list[at]); else draw();
}

function exportDecisions() {
  if (!log.length) { notify("There are no decisions to export yet."); return; }
  const rows = log.map((entry) => [entry.slice, entry.whole, entry.segmented, clean(entry.reason), entry.reviewer || reviewer(), entry.time]);
  const text = [COLUMNS, ...rows].map((row) => row.join("\t")).join("\n") + "\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
  link.download = "decisions.tsv";
  link.click();
  try { localStorage.setItem(EXPORTED, log[log.length - 1].time); } catch (error) { /* the count of what is not exported stays */ }
  drawCounts();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  if (rows.some((row) => !row[4])) {
    notify("Exported without initials: type yours and export again, so that it is known who decided.");
    element("reviewer").focus();
  } else {
    notify(`${rows.length} decisions exported. Put the file into the folder of qc.decisions and run snakemake again.`);
  }
}

// Two reviewers

function rowsOf(name, text) {
  const [header, ...lines] = text.replace(/^\uFEFF/, "").split(/\r?\n/).filter((line) => line.trim());
  const separator = header.includes("\t") ? "\t" : header.includes(";") ? ";" : ",";
  const fields = (line) => line.split(separator).map((field) => field.trim().replace(/^"|"$/g, ""));
  const columns = fields(header);
  if (!COLUMNS.every((column) => columns.includes(column))) throw new Error(`${name} lacks some of the columns ${COLUMNS.join(", ")}, as this page exports them.`);
  return lines.map((line) => {
    const row = Object.fromEntries(fields(line).map((field, place) => [columns[place], field]));
    return { ...row, reviewer: row.reviewer || name };
  });
}

// Of each reviewer the last decision on each slice of this page.
function finalOf(rows) {
  const reviewers = new Map();
  for (const row of [...rows].sort((a, b) => Date.parse(a.time) - Date.parse(b.time))) {
    if (!indexOf.has(row.slice)) continue;
    if (!reviewers.has(row.reviewer)) reviewers.set(row.reviewer, new Map());
    reviewers.get(row.reviewer).set(row.slice, row);
  }
  return reviewers;
}

// Cohen's kappa of pairs of 0 and 1; NaN where both always give the same one.
function kappaOf(pairs) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const observed = mean(pairs.map(([a, b]) => Number(a === b)));
  const [first, second] = [mean(pairs.map(([a]) => a)), mean(pairs.map(([, b]) => b))];
  const expected = first * second + (1 - first) * (1 - second);
  return { agreement: observed, kappa: expected < 1 ? (observed - expected) / (1 - expected) : NaN };
}

function compareReviewers(rows) {
  const reviewers = finalOf(rows);
  const names = [...reviewers.keys()].sort();
  const sentences = [];
  disputed = new Set();
  for (const view of ["whole", "segmented"]) {
    names.forEach((first, place) => names.slice(place + 1).forEach((second) => {
      const both = [...reviewers.get(first).keys()].filter((slice) => reviewers.get(second).has(slice));
      if (!both.length) return;
      const pairs = both.map((slice) => [first, second].map((name) => Number(reviewers.get(name).get(slice)[`${view}_keep`])));
      pairs.forEach(([a, b], number) => { if (a !== b) disputed.add(indexOf.get(both[number])); });
      const { agreement, kappa } = kappaOf(pairs);
      const value = Number.isNaN(kappa) ? "no kappa: both gave one and the same decision" : `Cohen's kappa ${kappa.toFixed(2)}`;
      sentences.push(`${first} and ${second}, ${view}: ${both.length} slices decided by both, agreement ${agreement.toFixed(2)}, ${value}.`);
    }));
  }
  return sentences.length ? sentences : ["No slice of this page was decided by two reviewers of these files."];
}

async function compareFiles() {
  const files = [...element("files").files];
  element("files").value = "";
  if (!files.length) return;
  try {
    const rows = (await Promise.all(files.map(async (file) => rowsOf(file.name, await file.text())))).flat();
    const sentences = compareReviewers(rows);
    element("agreement").replaceChildren(...sentences.map((sentence) => Object.assign(document.createElement("p"), { textContent: sentence })));
    element("agreement").hidden = false;
    document.querySelector("[data-filter=disputed]").hidden = !disputed.size;
    notify(`${disputed.size} slices are disputed.`);
    if (disputed.size) setFilter("disputed");
  } catch (error) {
    notify(error.message);
  }
}

// What is seen

const picture = (index) => `images/${data.slices[index]}.jpg`;
const nameOf = (index) => {
  const [name, plane] = data.slices[index].split("-");
  return `${name.slice(0, 4)} · ${Number(plane)}`;
};

function drawVerdict(index, name) {
  const person = decided.get(index);
  const kept = verdict(index)[name];
  const box = element(`${name}-verdict`);
  box.dataset.keep = kept;
  const why = !kept && person ? `: ${person.reason}` : "";
  box.textContent = `${kept ? "kept" : "rejected"} ${person ? "by you" : "automatically"}${why}`;
  box.title = box.textContent;
}

function drawReasons(index) {
  const person = index === undefined ? undefined : decided.get(index);
  element("reasons").replaceChildren(...data.reasons[pane].map((reason, place) => {
    const button = document.createElement("button");
    button.type = "button";
    const key = document.createElement("kbd");
    key.textContent = place + 1;
    button.append(key, ` ${reason}`);
    button.setAttribute("aria-pressed", Boolean(person && person.reason === reason && !person[pane]));
    button.addEventListener("click", () => giveReason(place + 1));
    return button;
  }));
}

function drawScores(index) {
  element("scores").replaceChildren(...data.scoreNames.map((name, place) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    const score = data.scores[index][place];
    term.textContent = name;
    value.textContent = score === null ? "–" : name === "pieces" ? score : `${(100 * score).toFixed(1)} %`;
    row.append(term, value);
    return row;
  }));
}

function drawCurrent() {
  const index = list[at];
  const none = index === undefined;
  for (const id of ["accept", "reject", "back", "next"]) element(id).disabled = none;
  element("undo").disabled = !log.length;
  drawReasons(index);
  for (const box of document.querySelectorAll(".pane")) box.dataset.active = box.dataset.pane === pane;
  for (const box of document.querySelectorAll(".choose")) box.setAttribute("aria-pressed", box.parentElement.dataset.pane === pane);
  document.querySelector(".stage").style.visibility = none ? "hidden" : "visible";
  if (none) return;
  for (const name of ["whole", "segmented"]) {
    const image = element(`${name}-image`);
    if (!image.src.endsWith(picture(index))) image.src = picture(index);
    image.alt = name === "whole" ? "The slice with the outline of its lung mask" : "The slice inside its lung mask";
    drawVerdict(index, name);
  }
  const [name, plane] = data.slices[index].split("-");
  element("identity").textContent = `Case ${name}, slice ${Number(plane)} from the feet (${at + 1} of ${list.length} here)`;
  const kept = `whole slice ${data.whole[index] ? "kept" : "rejected"}, segmented ${data.segmented[index] ? "kept" : "rejected"}`;
  element("automatic").textContent = `Automatic: ${kept}${data.reason[index] ? `; ${data.reason[index]}` : ""}`;
  drawScores(index);
}

function drawList() {
  const start = Math.floor(at / PER_PAGE) * PER_PAGE;
  const pages = Math.max(1, Math.ceil(list.length / PER_PAGE));
  element("page").textContent = `page ${start / PER_PAGE + 1} of ${pages}`;
  element("previous-page").disabled = start === 0;
  element("next-page").disabled = start + PER_PAGE >= list.length;
  const items = list.slice(start, start + PER_PAGE).map((index, offset) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-current", start + offset === at);
    button.dataset.decided = decided.has(index);
    const image = document.createElement("img");
    image.loading = "lazy";
    image.src = picture(index);
    image.alt = "";
    const caption = document.createElement("span");
    const state = document.createElement("b");
    const kept = verdict(index)[pane];
    state.dataset.keep = kept;
    state.textContent = `${kept ? "kept" : "rejected"}${decided.has(index) ? " ✓" : ""}`;
    caption.append(nameOf(index), state);
    button.append(image, caption);
    button.addEventListener("click", () => { at = start + offset; reasonOpen = false; draw(); });
    return button;
  });
  if (!items.length) {
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = filter === "undecided" ? "Nothing is left undecided." : "No slice is in this group.";
    items.push(empty);
  }
  element("list").replaceChildren(...items);
  showInList(document.querySelector('.list [aria-current="true"]'));
}

// Scrolls the list alone: the page itself stays where the person looks.
function showInList(item) {
  const box = element("list");
  if (!item) return;
  const below = item.offsetTop + item.offsetHeight - box.clientHeight;
  if (box.scrollTop > item.offsetTop || box.scrollTop < below) box.scrollTop = item.offsetTop - item.offsetHeight;
}

// Decisions an hour over the last ones, without pauses; null before there are enough.
function paceOf(times) {
  const steps = times.map((time, place, all) => (place ? time - all[place - 1] : Infinity)).filter((step) => step < 60000);
  return steps.length < 9 ? null : 3600000 / (steps.reduce((sum, step) => sum + step, 0) / steps.length);
}

function drawPace() {
  const pace = paceOf(log.slice(-30).map((entry) => Date.parse(entry.time)));
  const last = lastExport();
  const open = log.filter((entry) => entry.time > last).length;
  const left = pace ? ` · about ${Math.ceil((data.slices.length - decided.size) / pace * 60)} min left at ${Math.round(pace)} an hour` : "";
  element("pace").textContent = `${open ? `${open} not exported` : log.length ? "all exported" : ""}${left}`;
}

function drawRules() {
  const counts = data.rules.map((_, number) => data.broken.filter((own) => own.includes(number)).length);
  const options = [["any", ANY_RULE], ...data.rules.map((name, number) => [`${name} (${counts[number]})`, String(number)])];
  element("rule").replaceChildren(...options.map(([text, value]) => new Option(text, value)));
}

function drawCounts() {
  drawPace();
  const total = data.slices.length;
  const count = (name) => data.slices.reduce((sum, _, index) => sum + verdict(index)[name], 0);
  element("progress").max = total;
  element("progress").value = decided.size;
  element("counts").textContent = `${decided.size} of ${total} decided · kept: ${count("whole")} whole, ${count("segmented")} segmented`;
  for (const button of document.querySelectorAll("[data-filter]")) button.setAttribute("aria-pressed", button.dataset.filter === filter);
}

function draw() {
  drawCurrent();
  drawList();
  drawCounts();
  const following = list[at + 1];
  if (following !== undefined) new Image().src = picture(following);
}

// Keys and buttons

function setFilter(name) {
  filter = name;
  notify("");
  refresh(list[at]);
}

function nextFilter() {
  const offered = FILTERS.filter((name) => name !== "disputed" || disputed.size);
  setFilter(offered[(offered.indexOf(filter) + 1) % offered.length]);
}

function setRule(value) {
  rule = value;
  element("rule").value = value;
  refresh(list[at]);
}

function nextRule() {
  const values = [ANY_RULE, ...data.rules.map((_, number) => String(number))];
  setRule(values[(values.indexOf(rule) + 1) % values.length]);
}

// These work where the list is empty as well.
const ALWAYS = { u: undo, w: () => choosePane("whole"), s: () => choosePane("segmented"), f: nextFilter, g: nextRule, c: () => element("files").click(), x: exportDecisions };
const KEYS = { ...ALWAYS, j: () => move(1), k: () => move(-1), arrowright: () => move(1), arrowleft: () => move(-1), a: accept, r: reject };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
  const action = KEYS[event.key.toLowerCase()] || (/^[1-9]$/.test(event.key) ? () => giveReason(Number(event.key)) : null);
  if (!action || !(list.length || event.key.toLowerCase() in ALWAYS)) return;
  event.preventDefault();
  action();
});
const BUTTONS = { accept, reject, undo, back: () => move(-1), next: () => move(1), export: exportDecisions, compare: ALWAYS.c };
for (const [id, action] of Object.entries(BUTTONS)) element(id).addEventListener("click", action);
const turn = (step) => () => { at = (Math.floor(at / PER_PAGE) + step) * PER_PAGE; reasonOpen = false; draw(); };
element("previous-page").addEventListener("click", turn(-1));
element("next-page").addEventListener("click", turn(1));
element("order").addEventListener("change", () => refresh());
element("rule").addEventListener("change", () => setRule(element("rule").value));
element("files").addEventListener("change", compareFiles);
for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => setFilter(button.dataset.filter));
}
for (const box of document.querySelectorAll(".pane")) box.addEventListener("click", () => choosePane(box.dataset.pane));
element("reviewer").addEventListener("change", () => {
  try { localStorage.setItem(REVIEWER, reviewer()); } catch (error) { notify("Your initials cannot be kept over a reload."); }
});
element("reviewer").addEventListener("keydown", (event) => { if (event.key === "Enter") event.target.blur(); });

drawRules();
load();
refresh();
