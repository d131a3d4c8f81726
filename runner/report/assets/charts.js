// Pace, waiting time and money, as inline SVG.

const WIDTH = 320, HEIGHT = 110;

function bars(title, pairs, tell, isNamed = false) {
  const most = Math.max(...pairs.map(([, value]) => value), 1e-9), step = WIDTH / Math.max(1, pairs.length);
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${summary(pairs, tell)}`, preserveAspectRatio: "none" });
  pairs.forEach(([name, value], at) => {
    const height = value / most * (HEIGHT - 8), hint = svg("title");
    hint.textContent = clean(`${name}: ${tell(value)}`);
    drawn.append(svg("rect", { x: at * step, y: HEIGHT - height, width: Math.max(0.8, step - Math.min(2, step / 4)), height, rx: 1 }, hint));
  });
  return el("figure", {}, el("figcaption", {}, title, el("b", {}, ` ${tell(most)} at most`)), drawn,
    el("div", { class: `axis${isNamed ? " named" : ""}` }, ...(isNamed ? pairs : [pairs[0], pairs.at(-1)]).map(([name]) => el("span", {}, name))));
}

function summary(pairs, tell) {
  const [name, value] = pairs.reduce((best, pair) => pair[1] > best[1] ? pair : best, ["", 0]);
  return name === "" ? "nothing yet" : `most ${tell(value)} at ${name}`;
}

const timeOfDay = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function ends() {
  const found = [];
  for (let job = 0; job < total; job++) if (index.ended[job] != null && stateOf(job) === "done") found.push(job);
  return found.sort((a, b) => index.ended[a] - index.ended[b]);
}

function pace(jobs) {
  const first = index.ended[jobs[0]], last = index.ended[jobs.at(-1)];
  const step = Math.max(60, Math.ceil((last - first + 1) / 48 / 60) * 60), slots = Array(Math.ceil((last - first + 1) / step)).fill(0);
  for (const job of jobs) slots[Math.floor((index.ended[job] - first) / step)]++;
  return bars(`Jobs done in each ${duration(step)}`, slots.map((value, at) => [timeOfDay(first + at * step), value]), (value) => count(value, "job"));
}

function spending(jobs) {
  const slots = Array(48).fill(0), first = index.ended[jobs[0]], all = Math.max(1, index.ended[jobs.at(-1)] - first);
  for (const job of jobs) slots[Math.min(47, Math.floor((index.ended[job] - first) / all * 48))] += index.cost[job] ?? 0;
  let sum = 0;
  return bars("Money spent so far", slots.map((value, at) => [timeOfDay(first + all * at / 47), sum += value]), (value) => usd(Math.round(value)));
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
  return pairs.length > 1 ? bars(`Money by ${name}`, pairs, (value) => usd(Math.round(value)), pairs.length <= 6) : null;
}

function drawCharts() {
  const jobs = ends();
  $(".charts").replaceChildren(...jobs.length ? [pace(jobs), waiting(jobs), spending(jobs), byGroup()].filter(Boolean) : [el("p", {}, "Nothing is done yet.")]);
}
