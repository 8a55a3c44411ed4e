"use strict";

const report = JSON.parse(document.getElementById("report").textContent);
const at = (id) => document.getElementById(id);

/* Elements. Text of the report only ever becomes text, never markup. */

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function draw(tag, properties) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  return element;
}

function table(head, rows, foot) {
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell, i) =>
    make(tag, { class: head[i].number ? "number" : null, scope: tag === "th" ? "col" : null }, cell)));
  return make("table", {},
    make("thead", {}, line(head.map((column) => column.name), "th")),
    make("tbody", {}, ...rows.map((cells) => line(cells, "td"))),
    foot ? make("tfoot", {}, line(foot, "td")) : null);
}

/* The rows of a long table beyond the first `most` come when they are asked for. */
function shortened(rows, most, show) {
  const box = make("div", {}, show(rows.slice(0, most)));
  if (rows.length > most) {
    const button = make("button", { type: "button", class: "show" }, `Show all ${rows.length}`);
    button.addEventListener("click", () => box.replaceChildren(show(rows)));
    box.append(button);
  }
  return box;
}

/* Words. */

const words = (symbol) => symbol.replace(/_/g, " ");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const counted = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

function bytes(number) {
  const units = ["byte", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (number >= 1024 && unit < 3) {
    number /= 1024;
    unit += 1;
  }
  if (unit === 0) return counted(number, "byte");
  return `${number.toFixed(number < 10 ? 2 : 1)} ${units[unit]}`;
}

function seconds(number) {
  if (number < 0.0995) return `${Math.round(number * 1000)} ms`;
  if (number < 100) return `${number.toFixed(number < 9.95 ? 2 : 1)} s`;
  const whole = Math.round(number);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

const share = (part, whole) => (whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : "");
const sum = (rows, of) => rows.reduce((total, row) => total + of(row), 0);

function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const name = key(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
}

/* What it is all about. */

function showHead() {
  const path = report.sysimage_path;
  at("name").textContent = path.split(/[\\/]/).pop();
  const origins = {
    built: `Built by this call: ${path}`,
    cached: `Taken from the cache: ${path}. Statements and sizes are told as of the build that made it; times are of this call.`,
    up_to_date: `Up to date already: ${path}. All but the seconds is told as of the build that made it.`,
  };
  at("origin").textContent = origins[report.origin];
  const held = report.statements.filter((row) => row.outcome === "precompiled").length;
  const figures = [
    [bytes(report.image_size), "size of the image"],
    [seconds(report.seconds), report.origin === "built" ? "to build it" : "this call"],
    [report.peak_memory > 0 ? bytes(report.peak_memory) : "not seen", "most memory at once"],
    [report.packages.length.toLocaleString("en"), "packages loaded"],
    [`${held.toLocaleString("en")} of ${report.statements.length.toLocaleString("en")}`, "statements precompiled"],
  ];
  at("figures").append(...figures.map(([value, name]) => make("li", {}, make("b", {}, value), make("span", {}, name))));
  at("warnings").hidden = report.warnings.length === 0;
  at("warnings").append(...report.warnings.map((text) => make("li", {}, text)));
}

/* Time. */

const KINDS = {
  stage: { name: "a stage", color: "var(--stage)" },
  process: { name: "a process", color: "var(--c1)" },
  ahead: { name: "the same, ahead of its turn", color: "var(--c1-wash)" },
  engine: { name: "work of the engine", color: "var(--c2)" },
};
const MOST_CHILDREN = 30;

const span_end = Math.max(0.001, ...report.timeline.map((span) => span.stop), ...report.memory.map((row) => row.seconds));

/* Round numbers, about five of them, of seconds or minutes. */
function ticks(end) {
  const unit = end > 300 ? 60 : 1;
  const rough = end / unit / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const all = [];
  for (let i = 0; i * step * unit <= end; i += 1) {
    all.push({ at: i * step * unit, text: `${(i * step).toFixed(digits)} ${unit === 60 ? "min" : "s"}` });
  }
  return all;
}

function bar(start, stop, kind) {
  const left = (100 * start) / span_end;
  return make("i", {
    style: { left: `${left}%`, width: `${Math.max(0, (100 * stop) / span_end - left)}%`, background: KINDS[kind].color },
  });
}

function timeRow(span) {
  const took = span.stop - span.start;
  const name = span.kind === "stage" ? `${span.stage}: ${span.what}` : span.what;
  // Of a path, only the name of the file.
  const short = name.replace(/`[^`]*[\\/]([^`\\/]+)`/g, "`$1`");
  const from = `${name}: from ${seconds(span.start)} to ${seconds(span.stop)}, ${seconds(took)}`;
  const turn = span.turn === null ? "" : `; its turn came at ${seconds(span.turn)}`;
  const bars = span.turn === null
    ? [bar(span.start, span.stop, span.kind)]
    : [bar(span.start, span.turn, "ahead"), bar(span.turn, span.stop, span.kind)];
  return make("div", { class: `row ${span.kind}`, role: "listitem", title: from + turn },
    make("span", { class: "name" }, span.layer && span.kind !== "stage" ? `${short} (layer)` : short),
    make("div", { class: "track", role: "img", "aria-label": from + turn }, ...bars),
    make("span", { class: "took" }, seconds(took)));
}

/* Each stage with what is its own below it; what began before any stage comes first. */
function timeRows() {
  const rows = [];
  for (const spans of grouped(report.timeline, (span) => span.stage).values()) {
    const stages = spans.filter((span) => span.kind === "stage");
    const others = spans.filter((span) => span.kind !== "stage");
    const long = [...others].sort((a, b) => (b.stop - b.start) - (a.stop - a.start)).slice(0, MOST_CHILDREN);
    rows.push({
      start: stages.length > 0 ? stages[0].start : spans[0].start,
      spans: [...stages, ...others.filter((span) => long.includes(span))],
      more: others.length - long.length,
    });
  }
  return rows.sort((a, b) => a.start - b.start);
}

function axis() {
  return make("div", { class: "axis", "aria-hidden": "true" }, make("div", { class: "ticks" },
    ...ticks(span_end).map((tick) => make("span", { style: { left: `${(100 * tick.at) / span_end}%` } }, tick.text))));
}

function showTime() {
  if (report.timeline.length === 0) {
    at("time-note").textContent = "The build that made this image did not note what ran when.";
    return;
  }
  at("time-note").textContent = "What ran, in seconds since the build began. Bars above each other ran at once. " +
    "The process that makes the image starts with the build and gets ready while other stages run.";
  const kinds = Object.keys(KINDS).filter((kind) => report.timeline.some((span) =>
    kind === "ahead" ? span.turn !== null : span.kind === kind));
  at("time-legend").append(...kinds.map((kind) =>
    make("li", {}, make("i", { style: { background: KINDS[kind].color } }), KINDS[kind].name)));
  const list = make("div", { role: "list" });
  for (const group of timeRows()) {
    list.append(...group.spans.map(timeRow));
    if (group.more > 0) {
      list.append(make("div", { class: "row", role: "listitem" },
        make("span", { class: "name" }, `and ${group.more} shorter ones`)));
    }
  }
  at("timeline").append(list, axis());
}

function showMemory() {
  const samples = report.memory;
  const top = Math.max(...samples.map((row) => row.bytes));
  if (samples.length < 2 || top <= 0) {
    at("memory").append(make("p", { class: "quiet" }, "No process lived long enough to be seen."));
    return;
  }
  const x = (t) => ((1000 * t) / span_end).toFixed(2);
  const y = (b) => (100 - (100 * b) / top).toFixed(2);
  const line = samples.map((row) => `${x(row.seconds)},${y(row.bytes)}`);
  const svg = draw("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const part of [0, 0.5, 1]) {
    svg.append(draw("line", { x1: 0, x2: 1000, y1: 100 * part, y2: 100 * part, stroke: "var(--line)", "vector-effect": "non-scaling-stroke" }));
  }
  const base = `${x(samples[samples.length - 1].seconds)},100 ${x(samples[0].seconds)},100`;
  svg.append(draw("polygon", { points: `${line.join(" ")} ${base}`, fill: "var(--c1)", "fill-opacity": 0.18 }));
  svg.append(draw("polyline", { points: line.join(" "), fill: "none", stroke: "var(--c1)", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }));
  const cursor = draw("line", { y1: 0, y2: 100, stroke: "var(--soft)", "vector-effect": "non-scaling-stroke", visibility: "hidden" });
  svg.append(cursor);
  const peak = samples.find((row) => row.bytes === top);
  const tip = make("span", { class: "tip", hidden: true });
  const chart = make("div", {
    class: "chart", tabindex: "0", role: "slider", "aria-label": "Memory over time; the arrow keys go along it",
    "aria-valuemin": "0", "aria-valuemax": String(samples.length - 1),
  }, svg, tip, ...[1, 0.5].map((part) => make("span", { class: "y", style: { top: `${100 * (1 - part)}%` } }, bytes(top * part))));
  let current = samples.indexOf(peak);
  const show = (index) => {
    current = Math.min(samples.length - 1, Math.max(0, index));
    const row = samples[current];
    const place = row.seconds / span_end;
    cursor.setAttribute("x1", x(row.seconds));
    cursor.setAttribute("x2", x(row.seconds));
    cursor.setAttribute("visibility", "visible");
    tip.hidden = false;
    tip.textContent = `${bytes(row.bytes)} at ${seconds(row.seconds)}`;
    tip.style.left = place < 0.5 ? `calc(${100 * place}% + 6px)` : "auto";
    tip.style.right = place < 0.5 ? "auto" : `calc(${100 * (1 - place)}% + 6px)`;
    chart.setAttribute("aria-valuenow", String(current));
    chart.setAttribute("aria-valuetext", tip.textContent);
  };
  show(current);
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const t = (span_end * (event.clientX - box.left)) / box.width;
    let nearest = 0;
    samples.forEach((row, i) => {
      if (Math.abs(row.seconds - t) < Math.abs(samples[nearest].seconds - t)) nearest = i;
    });
    show(nearest);
  });
  chart.addEventListener("pointerleave", () => show(samples.indexOf(peak)));
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -samples.length, End: samples.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(current + step);
  });
  at("memory").append(chart, make("div", {}, axis()));
}

/* Size. */

const PARTS = {
  heap: ["heap: Julia's objects", "var(--c1)"],
  code: ["native code", "var(--c8)"],
  data: ["data of native code", "var(--c3)"],
  debug_information: ["debug information", "var(--c2)"],
  symbols: ["symbol tables", "var(--c5)"],
  unwind: ["unwind tables", "var(--c7)"],
  relocations: ["relocations", "var(--c4)"],
  other: ["headers and the rest", "var(--rest)"],
  file: ["the whole file", "var(--rest)"],
};

function owner(row) {
  if (row.owner === "package") return row.package;
  if (row.owner === "base") return "the base image";
  if (row.owner === "layer") return "compiled for the layer";
  return report.how.linked ? "compiled by this build" : "compiled by this build, Julia's own code included";
}

function showSizes() {
  const rows = report.sizes;
  const whole = report.image_size;
  if (rows.length === 0) {
    at("size-note").textContent = "The build that made this image did not look what its bytes are.";
    return;
  }
  const parts = [...grouped(rows, (row) => row.part)].map(([part, of]) => ({ part, bytes: sum(of, (row) => row.bytes) }))
    .sort((a, b) => b.bytes - a.bytes);
  at("size-bar").setAttribute("aria-label", parts.map((row) => `${PARTS[row.part][0]} ${share(row.bytes, whole)}`).join(", "));
  at("size-bar").append(...parts.map((row) =>
    make("i", { style: { flex: `${row.bytes} 1 0`, background: PARTS[row.part][1] }, title: `${PARTS[row.part][0]}: ${bytes(row.bytes)}` })));
  at("size-legend").append(...parts.map((row) =>
    make("li", {}, make("i", { style: { background: PARTS[row.part][1] } }), `${PARTS[row.part][0]} ${share(row.bytes, whole)}`)));
  const number = (name) => ({ name, number: true });
  const total = sum(parts, (row) => row.bytes);
  const measured = (name, size, most, color) => make("div", {}, capital(name),
    make("i", { class: "bar", style: { width: `${(100 * size) / most}%`, background: color } }));
  at("size-parts").append(table([{ name: "Part" }, number("Size"), number("Share")],
    parts.map((row) => [measured(PARTS[row.part][0], row.bytes, parts[0].bytes, PARTS[row.part][1]), bytes(row.bytes), share(row.bytes, whole)]),
    ["The file", bytes(total), share(total, whole)]));

  const owned = rows.filter((row) => row.owner !== null);
  const owners = [...grouped(owned, owner)].map(([name, of]) => {
    const size = (part) => sum(of.filter((row) => row.part === part), (row) => row.bytes);
    return { name, code: size("code"), data: size("data") };
  }).sort((a, b) => b.code + b.data - a.code - a.data);
  const all = sum(owners, (row) => row.code + row.data);
  if (owners.length === 0) {
    at("size-owners").append(make("p", { class: "quiet" }, "In a file of this kind that cannot be told."));
  } else {
    const head = [{ name: "From" }, number("Code"), number("Data"), number("Share")];
    at("size-owners").append(shortened(owners, 20, (shown) => table(head,
      shown.map((row) => [measured(row.name, row.code + row.data, owners[0].code + owners[0].data, PARTS.code[1]), bytes(row.code), bytes(row.data), share(row.code + row.data, whole)]),
      ["Code and data", bytes(sum(owners, (row) => row.code)), bytes(sum(owners, (row) => row.data)), share(all, whole)])));
  }
  const notes = ["Sizes are those of the finished file's sections and of the heap's symbol, and sum to the file."];
  if (rows.some((row) => row.part === "heap")) {
    notes.push("The heap holds the objects of Julia and of all packages in one piece, and debug information, unwind tables and symbols are joined by the linker: whose they are is not told, rather than guessed.");
  }
  if (owners.length > 0) {
    notes.push(report.how.linked
      ? "Code and data that were linked in are known by the cache or base they come from; what was compiled by this build is one row for all packages."
      : "All code was compiled in one piece by this build, so it is not known by package.");
  }
  at("size-note").textContent = notes.join(" ");
}

/* What it is built on. */

function functions(code, base, packages) {
  return `${counted(code.from_base, "function")} linked in from ${base}, ${code.from_packages.toLocaleString("en")} from ${packages}, and ${code.compiled.toLocaleString("en")} compiled`;
}

function showLayers() {
  const { how } = report;
  const cards = [];
  const card = (made, title, ...lines) => cards.push(make("li", { class: made ? "made" : null },
    make("b", {}, title), ...lines.map((line) => make("div", { class: "quiet" }, line))));
  if (report.base_sysimage === null) card(true, "Base: compiled from Julia's sources", "made for this image, or kept from an earlier build of the same base");
  else card(false, how.linked ? "Base: reused" : "Base", report.base_sysimage);
  if (how.layer !== null) {
    card(how.layer.made, how.layer.made ? "Layer: made by this build" : "Layer: reused from the cache",
      `${counted(how.layer.packages.length, "package")}, ${counted(how.layer.statements, "statement")}, ${bytes(how.layer.size)}`,
      how.layer.packages.join(", "), functions(how.layer, "the base", "packages' caches"));
  }
  const reused = report.origin !== "built";
  const above = report.packages.map((row) => row.name).filter((name) => how.layer === null || !how.layer.packages.includes(name));
  card(!reused, reused ? `Image: ${words(report.origin)}` : "Image: made by this build",
    `${counted(above.length, "package")}${how.layer === null ? "" : " above the layer"}, ${bytes(report.image_size)}`,
    above.length > 12 ? `${above.slice(0, 12).join(", ")} and ${above.length - 12} more` : above.join(", "));
  at("layers").append(...cards);
  at("code-note").textContent = how.linked
    ? (how.layer === null ? functions(how, "the base", "packages' caches") : functions(how, "the layer", "caches of packages above it")) +
      (how.left_out > 0 ? `; ${counted(how.left_out, "method")} of dependencies that nobody asked for were left out.` : ".")
    : `All code was compiled${how.not_linked === null ? "" : `: ${how.not_linked}`}.`;
  const refused = how.layer === null ? how.refused : [...how.layer.refused, ...how.refused];
  if (refused.length > 0) {
    at("refused").append(make("h3", {}, "Caches whose code was compiled anew"),
      shortened(refused, 10, (rows) => table([{ name: "Cache" }, { name: "Why" }],
        rows.map((row) => [make("code", {}, row.path), row.reason]))));
  }
}

/* Statements. The filter is in the address too (#outcome=error&package=Example&text=plot), so that a view
   can be kept and sent. */

const PAGE = 200;
const NOBODY = "";
const statements = report.statements.map((row, order) => ({
  ...row,
  order,
  searched: [row.text, row.detail, row.source].join("\n").toLowerCase(),
}));
const view = { outcome: null, package: null, text: "", sort: "order", down: false, shown: PAGE };

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  view.outcome = given.get("outcome");
  view.package = given.get("package");
  view.text = given.get("text") || "";
}

function writeAddress() {
  const kept = new URLSearchParams();
  for (const name of ["outcome", "package", "text"]) {
    if (view[name] !== null && view[name] !== "" || name === "package" && view.package === NOBODY) kept.set(name, view[name]);
  }
  const hash = kept.toString();
  history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
}

function matching() {
  const text = view.text.toLowerCase();
  const rows = statements.filter((row) =>
    (view.outcome === null || row.outcome === view.outcome) &&
    (view.package === null || (row.package || NOBODY) === view.package) &&
    (text === "" || row.searched.includes(text)));
  const key = { order: (row) => row.order, seconds: (row) => row.seconds, outcome: (row) => row.outcome, package: (row) => row.package || NOBODY }[view.sort];
  const sign = view.down ? -1 : 1;
  return rows.sort((a, b) => {
    const [ka, kb] = [key(a), key(b)];
    return (ka < kb ? -sign : ka > kb ? sign : a.order - b.order);
  });
}

function statementRow(row) {
  const good = row.outcome === "precompiled";
  const place = row.line > 0 ? `${row.source}:${row.line}` : `traced in ${row.source}`;
  return make("tr", {},
    make("td", {}, make("span", { class: good ? "good" : "bad" }, words(row.outcome))),
    make("td", { class: "number" }, row.seconds.toFixed(3)),
    make("td", {}, row.package || ""),
    make("td", {}, make("code", {}, row.text),
      row.detail === "" ? null : make("div", { class: "why" }, row.detail),
      make("div", { class: "why" }, place)));
}

function showStatements() {
  const rows = matching();
  const body = at("statements").tBodies[0];
  body.replaceChildren(...rows.slice(0, view.shown).map(statementRow));
  const time = seconds(sum(rows, (row) => row.seconds));
  at("count").textContent = rows.length === statements.length
    ? `${counted(rows.length, "statement")}, ${time} of compilation`
    : `${rows.length.toLocaleString("en")} of ${counted(statements.length, "statement")}, ${time} of compilation`;
  const left = rows.length - view.shown;
  at("more").hidden = left <= 0;
  at("more").textContent = `Show ${Math.min(PAGE, left).toLocaleString("en")} more of ${left.toLocaleString("en")}`;
  for (const button of at("outcomes").children) {
    button.setAttribute("aria-pressed", String((button.value || null) === view.outcome));
  }
  for (const head of at("statements").tHead.rows[0].cells) {
    if (head.firstElementChild.dataset.sort === view.sort) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

function change(part) {
  Object.assign(view, part, { shown: PAGE });
  writeAddress();
  showStatements();
}

function fillControls() {
  at("package").value = view.package === null ? "*" : `=${view.package}`;
  at("text").value = view.text;
}

function prepareStatements() {
  const repeated = report.duplicates > 0 ? ` ${counted(report.duplicates, "line")} repeated one of them.` : "";
  at("statements-note").textContent = "All that went in, and what became of it. The seconds are those that Julia took to infer and " +
    `compile it in the process that makes the image; generating code comes after, for all together.${repeated}`;
  const outcomes = [...grouped(statements, (row) => row.outcome)].sort((a, b) => b[1].length - a[1].length);
  const chip = (value, text) => make("button", { type: "button", value }, text);
  at("outcomes").append(chip("", `all ${statements.length.toLocaleString("en")}`),
    ...outcomes.map(([outcome, rows]) => chip(outcome, `${words(outcome)} ${rows.length.toLocaleString("en")}`)));
  const packages = [...grouped(statements, (row) => row.package || NOBODY)].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  const option = (value, text) => make("option", { value }, text);
  at("package").append(option("*", "all"), ...packages.map(([name, rows]) =>
    option(`=${name}`, `${name === NOBODY ? "none of the packages" : name} (${rows.length.toLocaleString("en")})`)));
  at("outcomes").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) change({ outcome: button.value || null });
  });
  at("package").addEventListener("change", () => {
    const { value } = at("package");
    change({ package: value === "*" ? null : value.slice(1) });
  });
  let waiting = 0;
  at("text").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({ text: at("text").value }), 120);
  });
  at("filter").addEventListener("submit", (event) => event.preventDefault());
  at("clear").addEventListener("click", (event) => {
    event.preventDefault();
    change({ outcome: null, package: null, text: "" });
    fillControls();
  });
  at("statements").tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { sort } = button.dataset;
    const down = sort === view.sort ? !view.down : sort === "seconds";
    change({ sort, down });
  });
  at("more").addEventListener("click", () => {
    const first = view.shown;
    view.shown += PAGE;
    const rows = matching().slice(first, view.shown);
    at("statements").tBodies[0].append(...rows.map(statementRow));
    if (view.shown >= matching().length) at("more").hidden = true;
    else showStatements();
  });
  addEventListener("hashchange", () => {
    readAddress();
    fillControls();
    change({});
  });
  readAddress();
  fillControls();
  showStatements();
}

/* What is left to do in sessions. */

function showLeft() {
  const box = at("left");
  const { residual, at_start: start } = report;
  const say = (text) => box.append(make("p", { class: "note" }, text));
  if (residual === null) {
    say("What the workloads still compile on the image was not looked for: build with verify=:trace.");
  } else if (residual.length === 0) {
    say("The workloads compile nothing on the image.");
  } else {
    const own = residual.filter((row) => row.script_local).length;
    say(`The workloads still compile ${counted(residual.length, "statement")}` +
      (own > 0 ? `, ${own} of them of the scripts themselves, which cannot be saved.` : "."));
    box.append(shortened(residual, 50, (rows) => table([{ name: "Statement" }, { name: "As a statement it was" }],
      rows.map((row) => [make("code", {}, row.text),
        row.script_local ? "of the script" : row.outcome === null ? "not among them" : words(row.outcome)]))));
  }
  if (start === null) {
    say("The image was not started, so what each start does is not known.");
    return;
  }
  say(start.compiled.length === 0 && start.lines === 0
    ? "Each start compiles nothing and writes nothing."
    : `Each start compiles ${counted(start.compiled.length, "method")} and writes ${counted(start.lines, "line")}, as packages' __init__ ask for it.`);
  if (start.compiled.length > 0) {
    box.append(shortened(start.compiled, 20, (rows) => table([{ name: "Package" }, { name: "Statement" }],
      rows.map((row) => [row.package || "", make("code", {}, row.text)]))));
  }
  if (start.printed.length > 0) box.append(make("pre", {}, start.printed.join("\n")));
}

function showAbout() {
  const terms = [["Image", report.sysimage_path], ["Base", report.base_sysimage || "compiled from Julia's sources"],
    ["Linker", report.linker], ["Log", report.log]];
  for (const [name, value] of terms) {
    if (value !== null) at("about").append(make("dt", {}, name), make("dd", {}, make("code", {}, value)));
  }
  const paths = new Map(report.developed.map((row) => [row.name, row.path]));
  const named = new Map(report.named_folders.map((row) => [row.package, row.times]));
  at("packages").append(shortened(report.packages, 30, (rows) =>
    table([{ name: "Package" }, { name: "Version" }, { name: "Tracked by path" }, { name: "Names its folder", number: true }],
      rows.map((row) => [row.name, row.version || "", paths.has(row.name) ? make("code", {}, paths.get(row.name)) : "",
        named.has(row.name) ? `${named.get(row.name)} ×` : ""]))));
}

showHead();
showTime();
showMemory();
showSizes();
showLayers();
prepareStatements();
showLeft();
showAbout();
document.documentElement.dataset.shown = "true";
