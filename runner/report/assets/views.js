// The four views. Only what is in the window is in the document: a view says how high a row is, how many cells it has
// and how a cell looks, and `paint` makes those that can be seen.

const TALLEST = 15_000_000; // pixels: browsers clamp an element's height at some 17 or 33 million
const GAP = 12;
const GLYPHS = { done: "✓", in_doubt: "?", pending: "·", submitting: "…", submitted: "…", result_known: "…", held: "‖" };

const stateBadge = (name) => el("span", { class: `state s-${name}` }, `${GLYPHS[name] ?? "✕"} ${words(name)}`);

function picture(job, edge) {
  const source = pictureOf(job);
  if (source) return img(place(source), "", edge);
  const text = index.files[job] ? `▶ ${few("format", job)}` : words(few("code", job) || stateOf(job));
  return el("span", { class: "absent" }, text);
}

function img(source, alt, edge) {
  const made = el("img", { src: source, alt, loading: "lazy", decoding: "async", width: edge, height: edge });
  made.addEventListener("error", () => made.replaceWith(el("span", { class: "absent" }, "not here any more")), { once: true });
  return made;
}

const VERDICTS = { approved: "✔ approved", rejected: "✘ rejected" };

function linkTo(job, className, ...children) {
  const link = el("a", { class: className, href: address({ job: index.id[job] }) }, ...children);
  link.dataset.job = job;
  const verdict = markOf(job)?.verdict;
  if (verdict) link.append(el("span", { class: `verdict ${verdict}` }, VERDICTS[verdict]));
  return link;
}

// The picture, and how many there are of the job.
const frame = (job, edge, ...more) => el("span", { class: "frame" }, picture(job, edge),
  index.files[job] > 1 && el("span", { class: "many", title: `The first of ${index.files[job]} files` }, `1 of ${index.files[job]}`), ...more);

function card(job) {
  const flags = flagsOf(job);
  const inset = index.before[job] && el("span", { class: "inset" },
    img(placeOf(index.before[job]), "", 64));
  return linkTo(job, "card",
    frame(job, state.size, inset),
    el("span", { class: "name" }, index.id[job]),
    el("span", { class: "facts" }, stateBadge(stateOf(job)), flags.length > 0 && el("span", { class: "flag" }, `⚑ ${flags[0]}`)));
}

function line(job) {
  const code = few("code", job), isDone = stateOf(job) === "done";
  return linkTo(job, "line",
    pictureOf(job) ? frame(job, 56) : el("span", { class: "frame" }, el("span", { class: "absent" }, index.files[job] ? "▶" : GLYPHS[stateOf(job)] ?? "✕")),
    el("span", { class: "what" }, el("span", { class: "name" }, index.id[job]),
      el("span", { class: "prompt" }, few("prompt", job))),
    el("span", { class: "how" }, stateBadge(stateOf(job)),
      el("span", { class: isDone ? "flag" : "code" }, isDone ? flagsOf(job).map((flag) => `⚑ ${flag}`).join("  ") : words(code))),
    el("span", { class: "number" }, usd(index.cost[job])),
    el("span", { class: "number" }, duration(index.seconds[job])));
}

// ---- product × variant

function products() {
  const rows = new Map();
  for (const job of shown) {
    const key = `${few("table", job)}:${index.place[job]}`;
    const row = rows.get(key) ?? { name: index.id[job].split("__")[0], jobs: [] };
    row.jobs.push(job);
    rows.set(key, row);
  }
  return [...rows.values()];
}

const variants = () => index.variant.values.length > 1 || index.variant.values[0] ? index.variant.values : [];

function productRow(row) {
  const cells = new Map(row.jobs.map((job) => [few("variant", job), job]));
  return el("div", { class: "product" }, el("span", { class: "name head" }, row.name),
    ...variants().map((variant) => cells.has(variant)
      ? linkTo(cells.get(variant), "cell", frame(cells.get(variant), 140), stateBadge(stateOf(cells.get(variant))))
      : el("span", { class: "cell none" }, "–")));
}

// ---- compared with an earlier run

const CHANGES = { mended: "done now, was not", broken: "was done, is not now", picture: "another picture", added: "new",
  state: "ended in another way", same: "the same" };

const changeOf = (job) => index.earlier && CHANGES[index.earlier.change[job]] ? index.earlier.change[job] : "none";

function comparison(job) {
  const earlier = index.earlier, was = earlier.state[job];
  const cost = earlier.cost[job] != null && index.cost[job] != null ? index.cost[job] - earlier.cost[job] : 0;
  return linkTo(job, "line compare",
    el("span", { class: "frame" }, earlier.picture[job] ? img(placeOf(earlier.picture[job]), "", 88) : el("span", { class: "absent" }, was ? words(was) : "not there")),
    el("span", { class: "arrow", "aria-hidden": "true" }, "→"),
    frame(job, 88),
    el("span", { class: "what" }, el("span", { class: "name" }, index.id[job]), el("span", { class: "prompt" }, CHANGES[changeOf(job)])),
    el("span", { class: "how" }, was && stateBadge(was), stateBadge(stateOf(job))),
    el("span", { class: "number" }, cost ? (cost > 0 ? "+" : "−") + usd(Math.abs(cost)) : ""));
}

const VIEWS = {
  grid: {
    name: "Grid",
    cells: (width) => Math.max(1, Math.floor((width + GAP) / (cardEdge(width) + GAP))),
    height: (width) => (width - GAP * (VIEWS.grid.cells(width) - 1)) / VIEWS.grid.cells(width) + 58 + GAP,
    items: () => shown, make: card,
  },
  list: { name: "List", cells: () => 1, height: () => 72, items: () => shown, make: line },
  matrix: {
    name: "Matrix", cells: () => 1, height: () => 190, items: products, make: productRow,
    isThere: () => variants().length > 1, noun: "product",
  },
  compare: {
    name: "Compare", empty: "All of these are as they were.", cells: () => 1, height: () => 104, make: comparison, isThere: () => Boolean(index.earlier),
    items: () => shown.filter((job) => changeOf(job) !== "same"),
  },
};

// A narrow window shows two pictures side by side, however large they are wanted.
const cardEdge = (width) => Math.min(state.size, Math.max(120, Math.floor((width - GAP) / 2)));

let items = [], perRow = 1, rowHeight = 1, shrink = 1;
const pool = new Map(); // what is in the document, by place

// `isStill`: the cards of jobs that are shown still stay, and move where they belong now.
function layout(isStill = false) {
  const view = VIEWS[state.view], box = $("#jobs"), pad = $("#pad"), width = box.clientWidth, before = items;
  items = view.items();
  perRow = view.cells(width);
  rowHeight = view.height(width);
  const height = Math.ceil(items.length / perRow) * rowHeight;
  shrink = Math.max(1, height / TALLEST);
  box.className = `view-${state.view}`;
  pad.dataset.empty = (shown.length && view.empty) || "Nothing fits what is asked for.";
  pad.style.height = `${height / shrink}px`;
  pad.style.minWidth = state.view === "matrix" ? `calc(${variants().length} * (var(--cell) + 10px) + var(--head))` : "";
  $("#heads").replaceChildren(...(state.view === "matrix" ? ["", ...variants()].map((name) => el("span", {}, name || " ")) : []));
  const kept = new Map(isStill === true ? [...pool].map(([at, node]) => [before[at], node]) : []);
  for (const node of pool.values()) if (isStill !== true) node.remove();
  pool.clear();
  paint(kept);
  for (const node of kept.values()) node.remove();
}

function span() {
  const top = Math.max(0, -$("#pad").getBoundingClientRect().top) * shrink;
  const first = Math.max(0, Math.floor(top / rowHeight) - 2), last = Math.ceil((top + innerHeight) / rowHeight) + 2;
  return { first: first * perRow, last: Math.min(items.length, last * perRow), lift: top - top / shrink };
}

function paint(kept = new Map()) {
  const { first, last, lift } = span();
  for (const [at, node] of pool) {
    if ((at < first || at >= last) && !node.contains(document.activeElement)) {
      node.remove();
      pool.delete(at);
    }
  }
  const width = 100 / perRow;
  for (let at = first; at < last; at++) {
    let node = pool.get(at);
    if (!node) {
      node = kept.get(items[at]) ?? el("li", {}, VIEWS[state.view].make(items[at]));
      kept.delete(items[at]);
      set(node, { "aria-setsize": items.length, "aria-posinset": at + 1 });
      pool.set(at, node);
      $("#pad").append(node);
      node.style.width = perRow === 1 ? "100%" : `calc(${width}% - ${GAP * (perRow - 1) / perRow}px)`;
      node.style.left = `calc(${(at % perRow) * width}% + ${(at % perRow) * GAP / perRow}px)`;
      node.style.height = `${rowHeight - GAP}px`;
    }
    node.style.top = `${Math.floor(at / perRow) * rowHeight - lift}px`;
  }
}

let isPainting = false;
function repaint() {
  if (isPainting) return;
  isPainting = true;
  requestAnimationFrame(() => {
    isPainting = false;
    paint();
  });
}

// One job looks different now.
function renew(job) {
  for (const [at, node] of pool) {
    if (state.view === "matrix" ? items[at].jobs.includes(job) : items[at] === job) {
      const hadFocus = node.contains(document.activeElement);
      node.replaceChildren(VIEWS[state.view].make(items[at]));
      if (hadFocus) $("a", node)?.focus();
    }
  }
}

// ---- the keyboard

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

let current = -1; // the item that had the focus last

// A row or a cell further; the rows of a matrix are items of several cells.
function go([rows, cells]) {
  if (state.view !== "matrix") return rows || perRow > 1 ? move(rows * perRow + cells) : undefined;
  if (rows) return move(rows);
  const link = document.activeElement, links = [...link.parentNode.querySelectorAll("a")];
  links[links.indexOf(link) + cells]?.focus();
}

function move(step) {
  const focused = document.activeElement, item = focused.closest("#pad > li");
  const column = state.view === "matrix" && item ? [...focused.parentNode.children].indexOf(focused) : -1;
  to((item ? item.ariaPosInSet - 1 : current) + step, (node) => node.querySelector(`a:nth-child(${column + 1})`));
}

// Where a job was opened; it may be another one that was closed.
function comeBack(job) {
  const at = items.findIndex((item) => state.view === "matrix" ? item.jobs.includes(job) : item === job);
  if (at >= 0) to(at, (node) => $(`a[data-job="${job}"]`, node));
}

// The focus goes to an item; it is brought into the window first, since else it is not there.
function to(at, find) {
  if (!items.length) return;
  current = Math.min(items.length - 1, Math.max(0, at));
  const top = scrollY + $("#pad").getBoundingClientRect().top + Math.floor(current / perRow) * rowHeight / shrink;
  const under = $("#bar").offsetHeight + 8;
  if (top < scrollY + under) scrollTo(0, top - under);
  else if (top + rowHeight > scrollY + innerHeight) scrollTo(0, top + rowHeight - innerHeight);
  paint();
  const node = pool.get(current);
  if (node) (find(node) ?? $("a", node))?.focus({ preventScroll: true });
}
