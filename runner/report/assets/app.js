// Brings it together: figures, failures, chips, keys, printing, the address.

const FLAGS = {
  unchanged: "the same picture as the input", blank: "blank, or almost", ratio: "not the aspect ratio that was asked for",
  small: "smaller than the input", "not-white": "white was asked for, and a corner is not", twin: "almost the same as another output",
};

function tiles() {
  const { counts, cost_usd: cost, images, duration_s: seconds, started_at: began } = index.summary;
  const unknown = cost.unknown_jobs - (index.in_flight ?? 0); // of what is under way nobody knows it yet
  const tile = (number, text, name, key, value) => {
    const inside = [el("b", {}, number), el("span", {}, text)];
    return key ? el("button", { type: "button", class: `tile ${name}`, "data-key": key, "data-value": value, onclick: () => toggle(key, value) }, ...inside)
      : el("div", { class: `tile ${name}` }, ...inside);
  };
  const flagged = index.marked.rows.reduce((sum, bits) => sum + (bits > 0), 0);
  $("#tiles").replaceChildren(...[
    ...Object.entries(counts).map(([name, number]) => tile(number.toLocaleString("en"), words(name), `s-${name}`, "state", name)),
    flagged > 0 && tile(flagged.toLocaleString("en"), "to look at", "warn", "flag", "any"),
    tile(images.toLocaleString("en"), "files", ""),
    tile(usd(Math.round(cost.spent * 1e6)), index.summary.simulated ? "spent, play money" : "spent, as the service says", ""),
    cost.reserved_in_doubt > 0 && tile(usd(Math.round(cost.reserved_in_doubt * 1e6)), counts.in_doubt ? "set aside for doubts" : "set aside", counts.in_doubt ? "warn" : ""),
    unknown > 0 && tile(unknown.toLocaleString("en"), "jobs of unknown cost", "warn"),
    seconds == null ? tile(timeOfDay(Date.parse(began) / 1000), "begun", "") : tile(duration(seconds), "last run", ""),
  ].filter(Boolean));
}

function needs() {
  const groups = index.groups.map((group) => el("article", { class: "group" },
    el("h3", {}, el("span", { class: "number" }, group.count.toLocaleString("en")), ` ${words(group.code)} `, el("small", {}, `${words(group.state)} · ${group.kind}`)),
    el("p", { class: "message" }, group.message), el("p", {}, group.remedy), command(group.command),
    el("button", { type: "button", class: "small", onclick: () => ask(spelled({ key: "state", value: group.state }) + " " + spelled({ key: "code", value: group.code }), true) },
      group.count === 1 ? "Show it" : `Show these ${group.count.toLocaleString("en")}`)));
  const looks = index.marked.names.map((name, bit) => [name, index.marked.rows.reduce((sum, bits) => sum + (bits >> bit & 1), 0)]).filter(([, number]) => number);
  const odd = looks.length > 0 && el("article", { class: "group look" }, el("h3", {}, "Look at these"),
    el("p", {}, "Found by free checks of the pictures. Nothing is done about them by itself."),
    el("ul", { class: "looks" }, ...looks.map(([name, number]) => el("li", {}, el("button", { type: "button", class: "small", onclick: () => ask(spelled({ key: "flag", value: name }), true) }, `${number.toLocaleString("en")} ${name}`), ` ${FLAGS[name] ?? ""}`))));
  const section = $("#needs");
  section.hidden = !groups.length && !odd;
  const [first, rest] = [groups.slice(0, 4), groups.slice(4)];
  section.replaceChildren(el("h2", {}, groups.length ? "What needs you" : "Worth a look"), ...first, ...(odd ? [odd] : []),
    ...(rest.length ? [el("details", {}, el("summary", {}, `${count(rest.length, "more kind")} of failure`), ...rest)] : []));
}

function drawChips() {
  const review = tally(), states = Object.entries(index.summary.counts);
  const chip = (key, value, text, name = "") => el("button", { type: "button", class: `chip ${name}`, "aria-pressed": String(has(key, value)), onclick: () => toggle(key, value) }, text);
  const chips = [
    ...(states.length > 1 ? states.map(([name, number]) => chip("state", name, `${words(name)} ${number.toLocaleString("en")}`, `s-${name}`)) : []),
    ...index.marked.names.filter((name, bit) => index.marked.rows.some((bits) => bits >> bit & 1)).map((name) => chip("flag", name, `⚑ ${name}`)),
    ...(variants().length > 1 && variants().length <= 8 ? variants().map((name) => chip("variant", name, name || "no variant")) : []),
    ...(review.approved ? [chip("review", "approved", `✔ approved ${review.approved.toLocaleString("en")}`)] : []),
    ...(review.rejected ? [chip("review", "rejected", `✘ rejected ${review.rejected.toLocaleString("en")}`)] : []),
    ...[...new Set([...marks.values()].flatMap((one) => one.tags))].slice(0, 12).map((tag) => chip("tag", tag, `# ${tag}`)),
    ...(state.view === "compare" ? [...new Set(index.earlier.change)].filter((name) => name !== "same").map((name) => chip("change", name, CHANGES[name])) : []),
  ];
  $("#chips").replaceChildren(...chips, ...(state.query ? [el("button", { type: "button", class: "chip clear", onclick: () => ask("") }, "✕ clear")] : []));
  for (const tile of document.querySelectorAll(".tile[data-key]")) tile.setAttribute("aria-pressed", String(has(tile.dataset.key, tile.dataset.value)));
}

// `step`: what the browser's Back takes back. The address costs a frame of its own, for which nobody who types waits.
function apply(step = null, isTyped = false) {
  choose();
  current = -1;
  layout();
  drawChips();
  tellCount();
  if (isTyped) setTimeout(() => writeAddress(), 30);
  else writeAddress(step);
}

function tellCount() {
  const noun = VIEWS[state.view].noun;
  $("#count").textContent = `${shown.length.toLocaleString("en")} of ${count(total, "job")}` + (index.left ? `; ${index.left.toLocaleString("en")} more are in results.csv` : "") + (noun ? `, ${count(items.length, noun)}` : "")
    + (state.view === "compare" ? `; ${items.length.toLocaleString("en")} ${items.length === 1 ? "is" : "are"} not as in ${clean(index.earlier.name)}${goneSince(index.earlier.gone)}` : "");
}

// Jobs of the earlier run that are none of this one: they have no row, so they are named.
function goneSince({ count: all, some }) {
  return all ? `; removed since: ${count(all, "job")}, ${some.map(clean).join(", ")}${all > some.length ? " …" : ""}` : "";
}

function ask(query, isFarAway = false) {
  state.query = query;
  $("#query").value = query;
  apply();
  const top = $("#bar").offsetTop;
  if (isFarAway || scrollY > top) scrollTo(0, top);
}

function views() {
  $("#views").replaceChildren(...Object.entries(VIEWS).filter(([, view]) => !view.isThere || view.isThere()).map(([name, view]) =>
    el("button", { type: "button", "data-view": name, "aria-pressed": String(name === state.view), onclick: () => change(name) }, view.name)));
}

function change(view) {
  if (view === state.view) return;
  state.view = view;
  for (const one of $("#views").children) one.setAttribute("aria-pressed", String(one.dataset.view === view));
  apply({ view });
}

// ---- printing: the view is not all in the document, so that a sheet of it is made

const MOST_PRINTED = 500;

function fillSheet() {
  $("#sheet").replaceChildren(...Array.from(shown.slice(0, MOST_PRINTED), (job) => el("figure", {},
    pictureOf(job) ? el("img", { src: place(pictureOf(job)), alt: "" }) : el("span", { class: "absent" }, words(few("code", job) || stateOf(job))),
    el("figcaption", {}, index.id[job], el("small", {}, [words(stateOf(job)), index.files[job] > 1 && `1 of ${index.files[job]} files`, ...flagsOf(job), markOf(job)?.verdict].filter(Boolean).join(" · "))))));
}

async function printSheet() {
  fillSheet();
  const pictures = [...$("#sheet").querySelectorAll("img")];
  toast("Getting the pictures ready…");
  await Promise.race([Promise.all(pictures.map((one) => one.decode().catch(() => null))), new Promise((done) => setTimeout(done, 15_000))]);
  print();
}

// ---- keys

const KEYS = [["/", "search"], ["j, k", "next, previous"], ["← → ↑ ↓", "from picture to picture, once one is chosen"], ["Enter", "open"], ["a, r", "approve, reject, and go on"], ["u", "undo"],
  ["+, −", "zoom the picture that is open"], ["1 … 9", "of its several outputs, that one"], ["?", "these keys"], ["Esc", "close, or clear the search"]];

function showHelp() {
  $("#help").replaceChildren(el("h2", { id: "help-title" }, "Keys"), el("dl", {}, ...KEYS.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("h2", {}, "Search"), el("p", {}, "Words look in ids, prompts, codes and variants. These look in one thing; a minus in front turns each around:"),
    el("p", {}, Object.keys(TESTS).map((name) => [el("code", {}, `${name}:`), " "]).flat()),
    el("button", { type: "button", onclick: () => $("#help").close() }, "Close"));
  $("#help").showModal();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const isTyping = event.target.matches("input:not([type=range]):not([type=file]), textarea, select");
  if (isTyping && event.key === "Escape" && event.target.id === "query") return ask("");
  if (isTyping || $("#help").open) return;
  const isOpen = $("#detail").open, step = (by) => isOpen ? turn(by) : move(by);
  const job = isOpen ? opened : document.activeElement?.dataset?.job;
  const judge = (verdict) => job === undefined ? toast("Choose a job first: j, k") : decide(+job, verdict);
  const keys = {
    "/": () => isOpen || $("#query").focus(), "?": showHelp, u: () => { undo(); if (isOpen) open(opened); },
    j: () => step(1), k: () => step(-1), a: () => judge("approved"), r: () => judge("rejected"),
    "+": () => stageNow?.zoom(1.5), "-": () => stageNow?.zoom(1 / 1.5), Escape: () => isOpen || (state.query && ask("")),
  };
  for (const [key, way] of Object.entries(ARROWS)) if (!isOpen && job !== undefined) keys[key] = () => go(way);
  if (isOpen && /^[1-9]$/.test(event.key)) keys[event.key] = () => $(`#outputs button:nth-child(${event.key})`)?.click();
  if (event.key !== "Escape") keys[event.key] && event.preventDefault();
  keys[event.key]?.();
}

// ---- the address, and the beginning

function openNamed() {
  if (state.job === null) return $("#detail").close();
  const job = positionOf(state.job);
  if (job === undefined) {
    toast(`There is no job ${state.job} in this report`);
    state.job = null;
  } else open(job, false);
}

function follow() {
  const before = address();
  readAddress();
  if (VIEWS[state.view].isThere && !VIEWS[state.view].isThere()) state.view = "grid";
  if (address() !== before || !shown.length) {
    $("#query").value = state.query;
    $("#sort").value = state.sort;
    views();
    apply();
  }
  openNamed();
}

function listen() {
  let typing = 0;
  $("#query").addEventListener("focus", readyToSearch, { once: true });
  $("#query").addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => { state.query = event.target.value; apply(null, true); }, 60);
  });
  $("#sort").addEventListener("change", (event) => { state.sort = event.target.value; apply(); });
  $("#size").value = state.size;
  $("#size").addEventListener("input", (event) => { state.size = +event.target.value; layout(); });
  $("#charts").addEventListener("toggle", () => $("#charts").open && drawCharts());
  $("#jobs").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-job]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(+link.dataset.job);
  });
  $("#detail").addEventListener("close", closed);
  $("#detail").addEventListener("click", (event) => event.target === event.currentTarget && event.currentTarget.close());
  addEventListener("scroll", repaint, { passive: true });
  addEventListener("resize", layout);
  addEventListener("popstate", () => { history.scrollRestoration = "auto"; });
  addEventListener("hashchange", follow);
  addEventListener("keydown", pressed);
  addEventListener("pagehide", keepNow);
  addEventListener("beforeprint", () => $("#sheet").children.length || fillSheet());
  addEventListener("afterprint", () => $("#sheet").replaceChildren());
}

async function begin() {
  if (typeof DecompressionStream === "undefined") {
    $("#old").hidden = false;
    return;
  }
  await load();
  $("#jobs").append(el("div", { id: "heads", "aria-hidden": "true" }), el("ul", { id: "pad" }));
  await readMarks();
  tiles();
  needs();
  reviewMenu();
  listen();
  follow();
  tellReview();
  source.begun();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

begin();
