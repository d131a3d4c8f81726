// The filter: words, and `key:value` with `-` for not. Several values of one key are alternatives; keys add up.

const state = { query: "", view: "grid", sort: "attention", size: 220, job: null };
const plain = { view: "grid", sort: "attention" }; // what an address need not say
let shown = new Uint32Array(0); // the jobs that are shown, in order

const SEVERITY = ["in_doubt", "failed", "rejected", "output_lost", "cancelled", "held", "submitting", "submitted",
  "result_known", "pending", "done"];

function tokens(query) {
  const found = [];
  for (const [, minus, key, inQuotes, word] of query.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/gi)) {
    found.push({ not: minus === "-", key: key?.toLowerCase() ?? "", value: inQuotes ?? word });
  }
  return found;
}

const spelled = ({ not, key, value }) =>
  (not ? "-" : "") + (key ? key + ":" : "") + (/[\s"]/.test(value) || !value ? `"${value.replaceAll('"', "")}"` : value);

// Texts in small letters, made with the first search; those that came since are added.
const lowered = new Map();
function inSmall(texts) {
  const known = lowered.get(texts) ?? lowered.set(texts, []).get(texts);
  for (let at = known.length; at < texts.length; at++) known.push(texts[at].toLowerCase());
  return known;
}

// A test of one column's few values: worked out once a value, not once a job.
function among(name, test) {
  const fits = inSmall(index[name].values).map(test), { rows } = index[name];
  return (job) => fits[rows[job]];
}

// Before the first letter is typed.
function readyToSearch() {
  for (const texts of [index.id, index.prompt.values]) inSmall(texts);
}

function inId(value) {
  const ids = inSmall(index.id);
  return (job) => ids[job].includes(value);
}

function atLeast(column, text, scale = 1) {
  const least = parseFloat(text.replace(/^>=?/, "")) * scale;
  return (job) => column[job] != null && column[job] >= least;
}

const TESTS = {
  state: (value) => among("state", (state) => state === value.replaceAll(" ", "_")),
  code: (value) => among("code", (code) => code.startsWith(value)),
  variant: (value) => among("variant", (variant) => variant.includes(value)),
  model: (value) => among("model", (model) => model.includes(value)),
  table: (value) => among("table", (table) => table.includes(value)),
  prompt: (value) => among("prompt", (prompt) => prompt.includes(value)),
  format: (value) => among("format", (format) => format === value),
  id: inId,
  slower: (value) => atLeast(index.seconds, value),
  cost: (value) => atLeast(index.cost, value, 1e6),
  files: (value) => (job) => index.files[job] === +value,
  flag: (value) => value === "any" ? (job) => index.marked.rows[job] > 0 : (job) => flagsOf(job).includes(value),
  review: (value) => (job) => (markOf(job)?.verdict ?? "none") === value,
  tag: (value) => (job) => (markOf(job)?.tags ?? []).some((tag) => tag.toLowerCase() === value),
  change: (value) => (job) => changeOf(job) === value,
};

function anywhere(value) {
  const [inPrompt, inCode, inVariant] = ["prompt", "code", "variant"].map((name) =>
    among(name, (text) => text.includes(value)));
  const isNamed = inId(value);
  return (job) => inPrompt(job) || inCode(job) || inVariant(job) || isNamed(job);
}

// One test for the whole query; `null` where everything fits.
function tester(query) {
  const wanted = new Map(), unwanted = [];
  for (const token of tokens(query)) {
    const isKey = Object.hasOwn(TESTS, token.key);
    const value = (token.key && !isKey ? `${token.key}:${token.value}` : token.value).toLowerCase();
    const test = isKey ? TESTS[token.key](value) : anywhere(value);
    if (token.not) unwanted.push(test);
    else wanted.set(isKey ? token.key : Symbol(), [...(isKey && wanted.get(token.key) || []), test]);
  }
  if (!wanted.size && !unwanted.length) return null;
  const groups = [...wanted.values()];
  return (job) => groups.every((tests) => tests.some((test) => test(job))) && !unwanted.some((test) => test(job));
}

const ORDERS = {
  manifest: null,
  slowest: (a, b) => (index.seconds[b] ?? -1) - (index.seconds[a] ?? -1) || a - b,
  dearest: (a, b) => (index.cost[b] ?? -1) - (index.cost[a] ?? -1) || a - b,
  latest: (a, b) => (index.ended[b] ?? -1) - (index.ended[a] ?? -1) || a - b,
};

// What is not done comes first, then what looks odd, then the rest.
function byAttention(jobs) {
  const ranks = index.state.values.map((state) => SEVERITY.indexOf(state) * 2), { rows: states } = index.state, { rows: odd } = index.marked;
  const rankOf = (job) => ranks[states[job]] + (odd[job] ? 0 : 1), places = new Uint32Array(SEVERITY.length * 2 + 1);
  for (const job of jobs) places[rankOf(job) + 1]++;
  for (let rank = 1; rank < places.length; rank++) places[rank] += places[rank - 1];
  const ordered = new Uint32Array(jobs.length);
  for (const job of jobs) ordered[places[rankOf(job)]++] = job;
  return ordered;
}

function choose() {
  const test = tester(state.query);
  let found = new Uint32Array(total), length = 0;
  for (let job = 0; job < total; job++) if (!test || test(job)) found[length++] = job;
  found = found.slice(0, length);
  if (state.sort === "attention") found = byAttention(found);
  else if (ORDERS[state.sort]) found.sort(ORDERS[state.sort]);
  shown = found;
}

// ---- the query as switches: tiles and chips put a token in, or take it out

const has = (key, value) => tokens(state.query).some((token) => !token.not && token.key === key && token.value === value);

function toggle(key, value) {
  const rest = tokens(state.query).filter((token) => !(token.key === key && token.value === value));
  if (!has(key, value)) rest.push({ not: false, key, value });
  ask(rest.map(spelled).join(" "));
}

// ---- the state in the address

function address(more = {}) {
  const parts = new URLSearchParams();
  if (state.query) parts.set("q", state.query);
  for (const name of ["view", "sort"]) if (state[name] !== plain[name]) parts.set(name, state[name]);
  for (const [name, value] of Object.entries(more)) if (value != null) parts.set(name, value);
  return "#" + parts.toString();
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  state.query = parts.get("q") ?? "";
  state.view = Object.hasOwn(VIEWS, parts.get("view")) ? parts.get("view") : plain.view;
  state.sort = parts.get("sort") === "attention" || Object.hasOwn(ORDERS, parts.get("sort")) ? parts.get("sort") : plain.sort;
  state.job = parts.get("job");
}

// The browser's Back leads out of a job that was opened, and to the view before; what else is chosen is no step.
function writeAddress(step = null) {
  const to = address({ job: state.job });
  if (step) history.pushState(step, "", to);
  else history.replaceState(history.state, "", to);
}
