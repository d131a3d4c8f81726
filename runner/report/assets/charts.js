// Pace, waiting time and money, as inline SVG.

const WIDTH = 320, HEIGHT = 110;

function chart(title, fact, pairs, tell, marks, isNamed) {
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${summary(pairs, tell)}`, preserveAspectRatio: "none" }, ...marks);
  return el("figure", {}, el("figcaption", {}, title, el("b", {}, ` ${fact}`)), drawn,
    el("div", { class: `axis${isNamed ? " named" : ""}` }, ...(isNamed ? pairs : [pairs[0], pairs.at(-1)]).map(([name]) => el("span", {}, name))));
}

const mostOf = (pairs) => Math.max(...pairs.map(([, value]) => value), 1e-9);
const heightOf = (value, most) => value / most * (HEIGHT - 8);

function hint(text) {
  const made = svg("title");
  made.textContent = clean(text);
  return made;
}

function bars(title, pairs, tell, { isNamed = false, name = "" } = {}) {
  const most = mostOf(pairs), step = WIDTH / Math.max(1, pairs.length);
  return chart(title, `${tell(most)} at most`, pairs, tell, pairs.map(([label, value], at) =>
    svg("rect", { x: at * step, y: HEIGHT - heightOf(value, most), width: Math.max(0.8, step - Math.min(2, step / 4)), height: heightOf(value, most), rx: 1, class: name }, hint(`${label}: ${tell(value)}`))), isNamed);
}

// What adds up, as a line over its ground; each part of it tells how much it was then.
function curve(title, pairs, tell) {
  const most = mostOf(pairs), step = WIDTH / Math.max(1, pairs.length - 1);
  const points = pairs.map(([, value], at) => `${at * step},${HEIGHT - heightOf(value, most)}`);
  return chart(title, `${tell(pairs.at(-1)[1])} in all`, pairs, tell, [
    svg("polygon", { class: "ground", points: [`0,${HEIGHT}`, ...points, `${WIDTH},${HEIGHT}`].join(" ") }),
    svg("polyline", { class: "line", points: points.join(" ") }),
    ...pairs.map(([name, value], at) => svg("rect", { class: "place", x: (at - 0.5) * step, y: 0, width: step, height: HEIGHT }, hint(`${name}: ${tell(value)}`)))], false);
}

function summary(pairs, tell) {
  const [name, value] = pairs.reduce((best, pair) => pair[1] > best[1] ? pair : best, ["", 0]);
  return name === "" ? "nothing yet" : `most ${tell(value)} at ${name}`;
}

const clockTime = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
const timeOfDay = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function ends(fits) {
  const found = [];
  for (let job = 0; job < total; job++) if (index.ended[job] != null && fits(stateOf(job))) found.push(job);
  return found.sort((a, b) => index.ended[a] - index.ended[b]);
}

// `jobs` in the time that `all` took.
function pace(title, jobs, all, name) {
  const first = index.ended[all[0]], last = index.ended[all.at(-1)];
  const part = Math.ceil((last - first + 1) / 48), step = part > 30 ? Math.ceil(part / 60) * 60 : part, slots = Array(Math.ceil((last - first + 1) / step)).fill(0);
  for (const job of jobs) slots[Math.floor((index.ended[job] - first) / step)]++;
  const each = step === 1 ? "second" : step < 60 ? `${step} s` : step === 60 ? "minute" : duration(step), tellTime = last - first < 600 ? clockTime : timeOfDay;
  return bars(`${title} in each ${each}`, slots.map((value, at) => [tellTime(first + at * step), value]), (value) => count(value, "job"), { name });
}

function spending(jobs) {
  const slots = Array(48).fill(0), first = index.ended[jobs[0]], all = Math.max(1, index.ended[jobs.at(-1)] - first);
  for (const job of jobs) slots[Math.min(47, Math.floor((index.ended[job] - first) / all * 48))] += index.cost[job] ?? 0;
  let sum = 0;
  const tellTime = all < 600 ? clockTime : timeOfDay;
  return curve("Money spent so far", slots.map((value, at) => [tellTime(first + all * at / 47), sum += value]), (value) => usd(Math.round(value)));
}

function quantile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

function waiting(jobs) {
  const seconds = jobs.map((job) => index.seconds[job]).filter((one) => one != null).sort((a, b) => a - b);
  if (!seconds.length) return null;
  const most = quantile(seconds, 0.99) || 1, slots = Array(40).fill(0);
  for (const one of seconds) slots[Math.min(39, Math.floor(one / most * 40))]++;
  return bars(`Seconds a job: median ${duration(quantile(seconds, 0.5))}, 95 of 100 within ${duration(quantile(seconds, 0.95))}`,
    slots.map((value, at) => [duration(most * at / 40), value]), (value) => count(value, "job"));
}

function byGroup() {
  const name = variants().length > 1 ? "variant" : index.model.values.length > 1 ? "model" : "table", sums = new Map();
  for (let job = 0; job < total; job++) sums.set(few(name, job), (sums.get(few(name, job)) ?? 0) + (index.cost[job] ?? 0));
  const pairs = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 24).map(([text, value]) => [text || "none", value]);
  return pairs.length > 1 ? bars(`Money by ${name}`, pairs, (value) => usd(Math.round(value)), { isNamed: pairs.length <= 6 }) : null;
}

function drawCharts() {
  const all = ends(() => true), jobs = ends((name) => name === "done"), bad = ends((name) => name !== "done");
  $(".charts").replaceChildren(...jobs.length ? [pace("Jobs done", jobs, all), bad.length > 0 && pace("Jobs not done", bad, all, "bad"), waiting(jobs), spending(all), byGroup()].filter(Boolean)
    : [el("p", {}, "Nothing is done yet.")]);
}
