"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
const make = (name, text, more = {}) => Object.assign(document.createElement(name), text == null ? {} : { textContent: text }, more);

// A search is a regular expression; what is not one is searched for as it stands.
function searched(text) {
  if (!text) return null;
  try { return new RegExp(text, "i"); } catch { return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i"); }
}

// Tables are sorted by the buttons in their heads.
const valueOf = (cell) => cell.dataset.value ?? cell.textContent.trim();
function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [a, b].map((text) => Number(text.replace("−", "-").replace(/[ %]/g, "")));
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
}
for (const table of all("table.sortable")) {
  all("thead th:not(.plain)", table).forEach((head) => {
    const button = make("button", head.textContent, { type: "button" });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const column = head.cellIndex, body = table.tBodies[0];
      const up = head.getAttribute("aria-sort") === "ascending";
      all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "descending" : "ascending");
      const rows = Array.from(body.rows).sort((a, b) => {
        const [x, y] = [a, b].map((row) => valueOf(row.cells[column]));
        const order = compare(x, y);
        return up && x !== "" && y !== "" ? -order : order;
      });
      body.append(...rows);
    });
  });
}

// The ranking: thresholds without a rerun.
const pick = document.getElementById("pick");
if (pick) {
  const rows = all("#picks tbody tr"), of = pick.elements;
  const atLeast = (field, value) => !field || field.value === "" || Number(value) >= Number(field.value);
  const update = () => {
    const text = searched(of.text.value);
    let shown = 0;
    for (const row of rows) {
      const d = row.dataset;
      const keep = atLeast(of.score, d.score) && atLeast(of.wells, d.wells)
        && (!of.lower || of.lower.value === "" || (d.lower != null && atLeast(of.lower, d.lower)))
        && (!of.evidence?.value || d.evidence === of.evidence.value)
        && !(of.clean.checked && row.querySelector(".flag")) && !(of.unmeasured.checked && d.wells !== "0")
        && (!text || text.test(row.textContent));
      row.hidden = !keep;
      shown += keep;
    }
    pick.querySelector("output").textContent = `${shown} of ${rows.length} candidates`;
  };
  pick.hidden = false;
  pick.addEventListener("input", update);
  pick.addEventListener("submit", (event) => event.preventDefault());
  of.copy.addEventListener("click", async () => {
    const quoted = (text) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    const drawn = (cell) => cell.classList.contains("plain") || cell.classList.contains("drawn");
    const line = (row) => Array.from(row.cells).filter((cell) => !drawn(cell)).map((cell) =>
      quoted((all(".flag", cell).map((flag) => flag.textContent).join("; ") || cell.textContent.trim()).replace("−", "-"))).join(",");
    const lines = [document.querySelector("#picks thead tr"), ...all("#picks tbody tr:not([hidden])")].map(line);
    try { await navigator.clipboard.writeText(lines.join("\n")); of.copy.textContent = `Copied ${lines.length - 1} rows`; }
    catch { of.copy.textContent = "The browser does not allow it"; }
  });
  update();
}

// What is pointed at, in words next to the pointer.
const tip = document.getElementById("map-tip");
function showTip(event, text) {
  if (!tip) return;
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
}

// The map: colors, search and names.
const figure = document.getElementById("map-figure");
if (figure && data.map) {
  const points = all(".points use", figure), form = document.getElementById("map-controls");
  const legend = document.getElementById("map-legend"), of = form.elements;
  const index = new Map(points.map((point, i) => [point, i]));
  const order = ["intervention", "mechanism", "role", "plate", "well", "context", "lab_batch"];
  const named = order.map((key) => data.map.colorings.find((coloring) => coloring.key === key)).filter(Boolean);
  const said = (i) => named.map((c) => c.categories[c.of[i]].name).filter((name) => name !== "not known");
  const words = points.map((_, i) => [...new Set(said(i))].join("\n"));
  let chosen = null;
  const emphasize = () => {
    const text = searched(of.text.value), coloring = data.map.colorings[of.color.value];
    let found = 0;
    points.forEach((point, i) => {
      const is = (!text || text.test(words[i])) && (chosen === null || coloring.of[i] === chosen);
      const any = text || chosen !== null;
      point.classList.toggle("dim", Boolean(any && !is));
      point.classList.toggle("found", Boolean(any && is));
      found += is;
    });
    form.querySelector("output").textContent = text || chosen !== null ? `${found} of ${points.length}` : "";
  };
  const color = () => {
    const coloring = data.map.colorings[of.color.value];
    chosen = null;
    points.forEach((point, i) => {
      const { class: name, shape } = coloring.categories[coloring.of[i]];
      point.setAttribute("class", name);
      point.setAttribute("href", `#s${shape}`);
    });
    legend.replaceChildren(...coloring.categories.map((category, i) => {
      const button = make("button", null, { type: "button" });
      button.setAttribute("aria-pressed", "false");
      button.innerHTML = `<svg width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true"><use class="${category.class}" href="#s${category.shape}"/></svg> `;
      button.append(make("span", category.name), " ", make("span", category.n, { className: "n" }));
      button.addEventListener("click", () => {
        chosen = chosen === i ? null : i;
        all("button", legend).forEach((other, j) => other.setAttribute("aria-pressed", String(j === chosen)));
        emphasize();
      });
      const item = make("li");
      item.append(button);
      return item;
    }));
    emphasize();
  };
  form.hidden = false;
  of.color.addEventListener("change", color);
  of.text.addEventListener("input", emphasize);
  form.addEventListener("submit", (event) => event.preventDefault());
  figure.addEventListener("pointermove", (event) => showTip(event, words[index.get(event.target.closest?.(".points use"))]));
  figure.addEventListener("pointerleave", () => showTip());
  color();
}

// Plates: highlighted or hidden by a search, and colored by what is chosen.
const plateForm = document.getElementById("plate-controls");
if (plateForm) {
  const rows = all("#plate-table tbody tr"), maps = all("#plate-maps figure"), of = plateForm.elements;
  plateForm.hidden = false;
  plateForm.addEventListener("submit", (event) => event.preventDefault());
  plateForm.addEventListener("input", () => {
    const text = searched(of.text.value);
    const found = new Set(rows.filter((row) => text && text.test(`${row.dataset.plate} ${row.lastElementChild.textContent}`)).map((row) => row.dataset.plate));
    for (const item of [...rows, ...maps]) {
      const is = found.has(item.dataset.plate);
      item.classList.toggle("hit", is);
      item.hidden = Boolean(text && of.only.checked && !is);
    }
    plateForm.querySelector("output").textContent = text ? `${found.size} of ${rows.length} plates` : "";
  });
}
const wellForm = document.getElementById("well-controls");
if (wellForm && data.plates) {
  const { views, interventions, of: received, roles, wells } = data.plates, of = wellForm.elements;
  const rects = all("#plate-maps .wells rect"), legend = document.getElementById("well-legend");
  const marks = rects.map((rect) => (rect.getAttribute("class").match(/ (con|out)/) ?? [""])[0]);
  const index = new Map(rects.map((rect, i) => [rect, i]));
  const short = (value) => value == null ? "unknown" : Number(value.toPrecision(3)).toString();
  let chosen = null;
  const color = () => {
    const view = views[of.view.value], letter = view.kind === "diverging" ? "d" : "q";
    rects.forEach((rect, i) => {
      const value = view.values[i];
      const step = Math.max(0, Math.min(8, Math.floor((value - view.low) / Math.max(view.high - view.low, 1e-12) * 9)));
      const name = value == null ? "none" : view.kind === "category" ? `k${value % 8}` : letter + step;
      rect.setAttribute("class", name + marks[i]);
    });
    const swatch = (name, text) => {
      const item = make("li");
      item.innerHTML = `<svg width="22" height="12" aria-hidden="true"><rect class="${name}" width="22" height="12"/></svg>`;
      item.append(make("span", text));
      return item;
    };
    legend.classList.toggle("names", view.kind === "category");
    legend.replaceChildren(...(view.kind !== "category"
      ? Array.from({ length: 9 }, (_, step) => swatch(letter + step, short(view.low + (view.high - view.low) * step / 9)))
      : view.label === "role" ? ["treated", "negative control", "positive control"].filter((role) => roles.includes(role)).map((role) => swatch(`k${["treated", "negative control", "positive control"].indexOf(role)}`, role))
      : [make("li", "Colors repeat: point at a well for its name.")]));
    emphasize();
  };
  const emphasize = () => {
    const text = searched(of.text.value), any = text || chosen !== null;
    let found = 0;
    rects.forEach((rect, i) => {
      const is = any && (!text || text.test(interventions[received[i]])) && (chosen === null || received[i] === chosen);
      rect.classList.toggle("dim", Boolean(any && !is));
      rect.classList.toggle("found", Boolean(is));
      found += Boolean(is);
    });
    wellForm.querySelector("output").textContent = any ? `${found} wells${chosen === null ? "" : ` of ${interventions[chosen]}`}` : "";
  };
  const words = (i, rect) => [interventions[received[i]], `${rect.closest("figure").dataset.plate} ${wells[i]}, ${roles[i]}`,
    ...views.filter((view) => view.kind !== "category").map((view) => `${view.label}: ${short(view.values[i])}`)].join("\n");
  const maps = document.getElementById("plate-maps");
  all(".static-view").forEach((note) => note.remove());
  wellForm.hidden = false;
  wellForm.addEventListener("submit", (event) => event.preventDefault());
  of.view.addEventListener("change", color);
  of.text.addEventListener("input", emphasize);
  maps.addEventListener("pointermove", (event) => {
    const i = index.get(event.target);
    showTip(event, i == null ? null : words(i, event.target));
  });
  maps.addEventListener("pointerleave", () => showTip());
  maps.addEventListener("click", (event) => {
    const i = index.get(event.target);
    chosen = i == null || received[i] === chosen ? null : received[i];
    emphasize();
  });
  color();
}

// On paper everything is open.
addEventListener("beforeprint", () => all("details").forEach((details) => { details.open = true; }));
