"use strict";

// Tables sort by the column whose heading is pressed; again, the other way round. Empty cells stay last.
function keyOf(cell) {
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  const text = cell.textContent.trim();
  return text === "–" ? null : text;
}

function sortBy(table, column, heading) {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
  rows.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    const order = typeof a.key === "number" && typeof b.key === "number"
      ? a.key - b.key
      : String(a.key).localeCompare(String(b.key), "en", { numeric: true });
    return ascending ? order : -order;
  });
  table.tBodies[0].append(...rows.map(({ row }) => row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sortBy(table, column, heading));
  });
}

// A table can be searched, and what it then shows be copied.
const SEARCHED_FROM = 4; // rows

function search(table, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word));
  }
}

function textOf(cell) {
  const note = cell.querySelector("small");
  const whole = (cell.firstChild?.textContent || "").trim();
  return note ? `${whole} (${note.textContent.trim()})` : cell.textContent.trim();
}

function asCsv(table) {
  const rows = [...table.rows].filter((row) => !row.hidden);
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => [...row.cells].map((cell) => quoted(textOf(cell))).join(",")).join("\n") + "\n";
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (error) {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function addTools(fold) {
  const table = fold.querySelector("table.sortable");
  const form = document.createElement("form");
  form.addEventListener("submit", (event) => event.preventDefault());
  if (table.tBodies[0].rows.length >= SEARCHED_FROM) {
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Search rows";
    field.setAttribute("aria-label", `Search rows: ${table.caption.textContent}`);
    field.addEventListener("input", () => search(table, field.value));
    form.append(field);
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy as CSV";
  button.addEventListener("click", async () => {
    await copy(asCsv(table));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy as CSV"; }, 2000);
  });
  form.append(button);
  fold.querySelector(".tools").append(form);
}
for (const fold of document.querySelectorAll("details.table")) addTools(fold);

// A link to what is folded opens it.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  if (target) target.scrollIntoView();
}
window.addEventListener("hashchange", openTarget);
openTarget();
