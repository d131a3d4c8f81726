// What a person says about the pictures. Kept in this browser under the page's own name, since all pages that are opened
// from a disk share one store; the file that is saved, review.json, is what counts.
//
// A mark is about the picture it was made for: where the job has been done again since, it is forgotten.

const STORE = `runcomfy-batch/review/1/${location.pathname}`;
const LARGEST_STORE = 4_000_000; // of the five million characters that all such pages have together: some 50,000 marks
let marks = new Map(); // by job id: {verdict, tags, note, prompt, of}
const undone = []; // what was before each change

// Where the marks are kept, and how that is said; live.js keeps them in the run directory in its place.
const shelf = {
  place: "Your marks are kept in this browser, for this page alone. Those that were made under serve are in review.json in the run directory: load it here.",
  read: () => JSON.parse(localStorage.getItem(STORE) ?? "[]"),
  put: () => {},
  keep: () => {
    const text = JSON.stringify([...marks], (name, value) => value === "" || (name === "tags" && !value.length) ? undefined : value);
    if (text.length > LARGEST_STORE) throw new Error("too many");
    localStorage.setItem(STORE, text);
  },
};

async function readMarks() {
  try {
    marks = sound(await shelf.read());
  } catch {
    marks = new Map();
  }
}

function sound(found) {
  const kept = new Map();
  for (const [id, mark] of Array.isArray(found) ? found : []) {
    const job = positionOf(id);
    if (job === undefined || !mark || typeof mark !== "object" || mark.of !== index.request[job]) continue;
    kept.set(id, {
      verdict: ["approved", "rejected"].includes(mark.verdict) ? mark.verdict : null,
      tags: Array.isArray(mark.tags) ? mark.tags.filter((tag) => typeof tag === "string").slice(0, 20) : [],
      note: typeof mark.note === "string" ? mark.note : "",
      prompt: typeof mark.prompt === "string" ? mark.prompt : "",
      of: mark.of,
    });
  }
  return kept;
}

// Written a moment later, and when the page is left: of many marks it takes some milliseconds.
let isWarned = false, keeping = 0;
function keepMarks() {
  clearTimeout(keeping);
  keeping = setTimeout(keepNow, 250);
}

function keepNow() {
  clearTimeout(keeping);
  try {
    shelf.keep();
  } catch {
    if (!isWarned) toast("This browser keeps no more: save review.json before you close the page");
    isWarned = true;
  }
}

const markOf = (job) => marks.get(index.id[job]);
const isReviewable = (job) => stateOf(job) === "done";

function mark(job, change) {
  const before = markOf(job);
  undone.push([job, before]);
  put(job, { verdict: null, tags: [], note: "", prompt: "", of: index.request[job], ...before, ...change });
}

function put(job, value) {
  const isEmpty = !value || (!value.verdict && !value.tags.length && !value.note && !value.prompt);
  if (isEmpty) marks.delete(index.id[job]);
  else marks.set(index.id[job], value);
  shelf.put(index.id[job]);
  keepMarks();
  marked(job);
}

function undo() {
  const last = undone.pop();
  if (!last) return toast("Nothing to undo");
  put(...last);
  toast(`Undone: ${index.id[last[0]]}`);
}

function tally() {
  const found = { approved: 0, rejected: 0 };
  for (const { verdict } of marks.values()) if (verdict) found[verdict]++;
  return found;
}
