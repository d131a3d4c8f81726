// The page while a run goes on: its data come from who served it, and what changes is sent as it happens. What a person
// is in the middle of stays as it is: the place, the filter, the job that is open, the field that is written in.

const SILENCE_MS = 15_000; // the server speaks every five seconds, if only to say that it is there
const FEW_COLUMNS = ["state", "code", "model", "variant", "table", "prompt", "format"];
const PHASES = { live: "live", ended: "ended", killed: "killed; the same command goes on", lost: "lost contact" };
const live = { heardAt: 0, phase: "", facts: {}, standing: {}, isOver: false, isUnkept: false, held: new Set(), restUntil: 0, chartsUntil: 0, isDrawn: true };

async function asked(path, document) {
  const body = document === undefined ? undefined : JSON.stringify(document);
  const sent = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: body.length < 60_000 }; // also of a page that is left
  const answer = await fetch(`./${path}`, { ...sent, cache: "no-store", referrerPolicy: "no-referrer" });
  if (!answer.ok) throw new Error((await answer.text()).trim() || `HTTP ${answer.status}`);
  return answer.json();
}

source.index = async () => {
  const found = await asked("data/index");
  if (found.phase === "live") plain.sort = "latest"; // pictures come in at the top
  return found;
};
source.record = (job) => asked(`data/record/${job}`).catch((error) => {
  throw new Error(live.isOver ? `the server of this page has ended with the run. Open report.html beside images/, or: ${serving()}` : error.message);
});
const serving = () => `runcomfy-batch serve ${quoted(index.directory)}`;

// ---- marks: kept in the run directory, each as it is made

const touched = new Set();
shelf.place = "Your marks are kept in review.json in the run directory, as you go. Those that were made in report.html are in its browser: save them there, and load them here.";
shelf.read = async () => (await asked("data/review")).jobs.map((one) => [one.job_id, { ...one, prompt: one.prompt ?? "", of: (one.request_id ?? one.of ?? "").slice(-8) }]);
shelf.put = (id) => touched.add(id);
shelf.keep = async () => {
  if (!touched.size) return;
  const ids = [...touched], nothing = (id) => ({ verdict: null, tags: [], note: "", prompt: "", of: index.request[positionOf(id)] });
  touched.clear();
  try {
    await asked("data/review", { jobs: ids.map((id) => ({ ...nothing(id), ...marks.get(id), job_id: id })) });
    live.isUnkept = false;
  } catch (error) {
    for (const id of ids) touched.add(id); // tried again with the next mark
    live.isUnkept = true;
    if (!live.isOver) toast(`Not kept in the run directory: ${error.message}`);
  }
  tellFacts();
};

// ---- what has changed

const slots = new Map(); // for each column of few values: where each of them stands

function setFew(name, job, value) {
  const column = index[name];
  if (!slots.has(name)) slots.set(name, new Map(column.values.map((one, at) => [one, at])));
  const known = slots.get(name);
  if (!known.has(value)) {
    known.set(value, column.values.push(value) - 1);
    if (column.values.length === 256) column.rows = Uint32Array.from(column.rows);
  }
  column.rows[job] = known.get(value);
}

function take([job, few, , place, picture, before, files, cost, sent, ended, tenths, request, odd]) {
  const twin = request === index.request[job] ? 1 << index.marked.names.indexOf("twin") : 0; // of the same picture it stays true
  FEW_COLUMNS.forEach((name, at) => setFew(name, job, few[at]));
  const known = (number, scale = 1) => number < 0 ? null : number / scale;
  Object.entries({ place, picture, before, files, request, cost: known(cost), sent: known(sent), ended: known(ended), seconds: known(tenths, 10) })
    .forEach(([name, value]) => { index[name][job] = value; });
  index.marked.rows[job] = odd | index.marked.rows[job] & twin;
  live.held.add(job);
  live.isDrawn = false;
}

function heard(news) {
  live.heardAt = Date.now();
  if (news.anew || news.rows.some(([job]) => job >= total)) return anew();
  const wasAt = $("#jobs").getBoundingClientRect().top;
  news.rows.forEach(take);
  Object.assign(index, { summary: news.summary, in_flight: news.in_flight });
  live.facts = news;
  const isTurn = news.phase !== live.phase;
  tellPhase(news.phase);
  if (!news.rows.length && !isTurn) return;
  $("h1").textContent = news.verdict;
  inPlace($("#tiles"), tiles);
  if (news.groups && JSON.stringify(news.groups) !== JSON.stringify(index.groups)) {
    index.groups = news.groups;
    inPlace($("#needs"), needs);
  }
  for (const [job] of news.rows) renew(job);
  const open = news.rows.some(([job]) => job === opened) && !$("#detail").querySelector("input:focus, textarea:focus");
  if (open) openAgain();
  if (isReading() && wasAt < 0) scrollBy(0, $("#jobs").getBoundingClientRect().top - wasAt);
  settle();
}

// The focus is in the same place after its elements were made anew.
function inPlace(box, draw) {
  const places = () => [...box.querySelectorAll("button, summary")], at = places().indexOf(document.activeElement);
  draw();
  if (at >= 0) places()[at]?.focus({ preventScroll: true });
}

async function openAgain() {
  const top = $("#detail").scrollTop;
  await open(opened);
  $("#detail").scrollTop = top;
}

// In the middle of the jobs nothing may move: not while one is open, has the focus, or the first is out of the window.
const isReading = () => $("#detail").open || $("#pad").contains(document.activeElement) ||
  $("#pad").getBoundingClientRect().top < $("#bar").offsetHeight;

function settle() {
  if (live.held.size && !isReading() && performance.now() > live.restUntil) arrange();
  const began = performance.now();
  if ($("#charts").open && !live.isDrawn && began > live.chartsUntil) {
    drawCharts();
    live.isDrawn = true;
    live.chartsUntil = began + Math.max(5000, (performance.now() - began) * 50);
  }
  $("#live-held").hidden = !live.held.size || !isReading();
  $("#live-held").textContent = `${count(live.held.size, "job")} changed: arrange anew`;
}

// An update may take a twentieth of a page's time, however many jobs there are.
function arrange() {
  const began = performance.now();
  live.held.clear();
  choose();
  layout(true);
  inPlace($("#chips"), drawChips);
  tellReview();
  tellCount();
  live.restUntil = performance.now() + (performance.now() - began) * 20;
}

function arrangeNow() {
  live.held.clear();
  apply();
  scrollTo(0, $("#bar").offsetTop);
  settle();
}

// Another run has begun, or much has happened while this page slept.
function anew() {
  live.stream?.close();
  if (isReading() || touched.size) {
    $("#live-word").textContent = "there is more than this page knows";
    $("#live-controls").replaceChildren(el("button", { type: "button", onclick: () => location.reload() }, "Load it"));
  } else location.reload();
}

// ---- how it stands

function tellPhase(phase) {
  const word = phase === "ended" && index.summary.stopped_because ? `stopped early: ${words(index.summary.stopped_because)}` : PHASES[phase];
  if ($("#live-word").textContent !== word) $("#live-word").textContent = word; // else it would be read out each second
  live.phase = $("#live").dataset.phase = phase;
  tellFacts();
  tellControls();
  const { jobs, counts } = index.summary, part = jobs ? Math.floor(100 * (counts.done ?? 0) / jobs) : 0;
  document.title = clean(`${phase === "live" ? `${part} %` : phase} · ${index.name} · runcomfy-batch`);
}

function tellFacts() {
  const { per_s: pace, left_s: left, in_flight: flying } = live.facts, { cap, is_paused: isPaused, is_stopping: isStopping, waits } = live.standing;
  const paused = isStopping ? "stopping" : isPaused ? "paused: what is in flight is collected" : waits;
  const facts = live.phase === "live" ? [
    paused,
    `${count(flying ?? 0, "request")} in flight${cap >= (flying ?? 0) ? ` of ${cap} at most` : ""}`,
    pace && (pace >= 1 ? `${pace.toFixed(1)} jobs/s` : `${(pace * 60).toFixed(1)} jobs/min`),
    left != null && !isPaused && `${left < 90 ? `${Math.round(left)} s` : duration(left)} left, until ${timeOfDay(Date.now() / 1000 + left)}`,
  ] : live.phase === "lost" ? [`as it stood at ${timeOfDay(live.heardAt / 1000)}; trying again`] : [live.phase === "ended" && `exit ${index.summary.exit_code}`];
  if (live.isUnkept) facts.push(`${count(touched.size, "mark")} not in the run directory: Save review.json has them`);
  $("#live-facts").textContent = clean(facts.filter(Boolean).join(" · "));
}

function tellStanding(standing) {
  live.standing = standing;
  tellFacts();
  tellControls();
}

// The buttons are there while somebody would hear of them.
function tellControls() {
  const { ceiling, allowed, is_paused: isPaused, is_stopping: isStopping } = live.standing;
  const isThere = ceiling !== undefined && !isStopping && live.phase === "live";
  if (!$("#live-run")) return; // all is over
  $("#live-run").hidden = !isThere;
  if (isThere) {
    $("#live-pause").textContent = isPaused ? "Resume" : "Pause";
    const field = $("#live-cap");
    Object.assign(field, { max: allowed, title: `1 to ${allowed}` });
    if (document.activeElement !== field) field.value = ceiling;
  }
}

async function say(word, value = null) {
  try {
    tellStanding(await asked(`say/${word}`, { value }));
  } catch (error) {
    toast(`That did not work: ${error.message}`);
  }
}

// Stopped by the second press within some seconds.
function stopPressed() {
  const button = $("#live-stop");
  if (button.dataset.sure) return say("stop");
  button.dataset.sure = "1";
  button.textContent = "Stop the run: sure?";
  setTimeout(() => { delete button.dataset.sure; button.textContent = "Stop"; }, 5000);
}

function controls() {
  const field = el("input", { id: "live-cap", type: "number", min: 1, inputmode: "numeric", onchange: () => {
    if (field.checkValidity() && field.value) say("cap", +field.value);
    else field.reportValidity();
  } });
  return el("span", { class: "row", id: "live-run", hidden: true },
    el("button", { type: "button", id: "live-pause", onclick: () => say(live.standing.is_paused ? "resume" : "pause") }, "Pause"),
    el("label", {}, "at most ", field, " in flight"),
    el("button", { type: "button", id: "live-stop", onclick: stopPressed }, "Stop"));
}

// What the page was served by is gone, and stays so.
function tellOver() {
  $("#live-controls").replaceChildren(el("span", { id: "live-over" }, "This page's server has ended: open report.html beside images/, or  ",
    el("code", {}, serving()), " ", copyButton(serving(), "Copy", "Copy the command")));
}

function connect() {
  const stream = live.stream = new EventSource(`./events?mark=${encodeURIComponent(index.mark)}`);
  const listen = (name, act) => stream.addEventListener(name, (event) => act(JSON.parse(event.data)));
  listen("message", heard);
  listen("standing", tellStanding);
  listen("over", () => {
    live.isOver = true;
    stream.close();
    tellOver();
  });
  stream.addEventListener("error", () => { if (!live.isOver) tellPhase("lost"); });
}

source.begun = () => {
  $("#live-controls").append(controls());
  $("#bar").append(el("button", { type: "button", id: "live-held", class: "small", hidden: true, onclick: arrangeNow }));
  live.facts = index;
  live.heardAt = Date.now();
  tellPhase(index.phase);
  connect();
  addEventListener("scrollend", settle);
  addEventListener("beforeunload", (event) => live.isUnkept && event.preventDefault());
  setInterval(() => {
    if (!live.isOver && Date.now() - live.heardAt > SILENCE_MS) tellPhase("lost");
    settle();
  }, 2000);
};
