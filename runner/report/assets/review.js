// Approve and reject, tags, notes, another prompt; saved as review.json, which `run --redo` and `export` read.

const CAPTIONS = { approved: "Approve", rejected: "Reject" };

function review(job, record) {
  if (!isReviewable(job)) return null;
  const now = markOf(job) ?? { verdict: null, tags: [], note: "", prompt: "" };
  const press = (verdict, key) => el("button", { type: "button", class: `big ${verdict}`, "aria-pressed": String(now.verdict === verdict),
    onclick: () => decide(job, verdict) }, `${CAPTIONS[verdict]} `, el("kbd", { "aria-hidden": "true" }, key));
  const field = (name, tag, label, value, change, more = {}) => {
    const made = el(tag, { id: `review-${name}`, ...more, onchange: (event) => change(event.target.value) });
    made.value = value;
    return el("label", { for: `review-${name}` }, label, made);
  };
  return el("section", { class: "review", "aria-label": "Review" },
    el("div", { class: "row" }, press("approved", "a"), press("rejected", "r")),
    record.files.length > 1 && el("p", { class: "note" }, `Counts for ${record.files.length === 2 ? "both" : `all ${record.files.length}`} files of the job.`),
    field("tags", "input", "Tags, with commas between", now.tags.join(", "), (text) => mark(job, { tags: [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))] })),
    field("note", "textarea", "Note", now.note, (text) => mark(job, { note: text.trim() }), { rows: 2 }),
    field("prompt", "textarea", "Another prompt, for when it is done again", now.prompt, (text) => mark(job, { prompt: text.trim() === record.inputs.prompt ? "" : text.trim() }),
      { rows: 2, placeholder: record.inputs.prompt ?? "" }));
}

// The verdict, or none where it is the same again; the next picture follows.
function decide(job, verdict) {
  if (!isReviewable(job)) return toast("Only a job that is done has a picture to review");
  const isTaken = markOf(job)?.verdict === verdict;
  mark(job, { verdict: isTaken ? null : verdict });
  if (!$("#detail").open) {
    if (!isTaken) move(1);
  } else if (isTaken || shown.indexOf(job) === shown.length - 1) open(job);
  else turn(1);
}

// A mark has changed: what shows it changes.
function marked(job) {
  renew(job);
  tellReview();
}

function tellReview() {
  const { approved, rejected } = tally(), done = index.state.values.indexOf("done");
  const all = done < 0 ? 0 : index.state.rows.reduce((sum, row) => sum + (row === done), 0);
  const text = approved + rejected ? `${(approved + rejected).toLocaleString("en")} of ${all.toLocaleString("en")} reviewed` : "Review";
  $("#review-count").textContent = text;
  $("#review-count").setAttribute("aria-label", `${text}: ${approved} approved, ${rejected} rejected, of ${all}`);
  $("#review-save").disabled = $("#review-rejected").disabled = !marks.size;
  drawChips();
}

async function reviewDocument() {
  const jobs = [];
  for (const [id, { verdict, tags, note, prompt }] of marks) {
    const job = positionOf(id), record = await recordOf(job).catch(() => null); // the server is gone: the index knows enough
    jobs.push({ job_id: id, verdict, tags, note, prompt: prompt || null, request_id: record?.request_id ?? null, ...(record ? { fingerprint: record.fingerprint } : { of: index.request[job] }) });
  }
  return { schema: "runcomfy-batch.review/1", run: index.name, run_id: index.summary.run_id, saved_at: new Date().toISOString(), jobs };
}

async function saveReview() {
  save("review.json", "application/json", JSON.stringify(await reviewDocument(), null, 2) + "\n");
  toast("Saved as review.json, where this browser keeps its downloads");
}

async function loadReview(file) {
  try {
    const found = JSON.parse(await file.text());
    if (found.schema !== "runcomfy-batch.review/1") throw new Error("not a review");
    const fresh = sound(found.jobs.map((one) => [one.job_id, { ...one, prompt: one.prompt ?? "", of: (one.request_id ?? one.of ?? "").slice(-8) }]));
    for (const [id, value] of fresh) {
      marks.set(id, value);
      shelf.put(id);
    }
    keepMarks();
    layout();
    tellReview();
    toast(`${count(fresh.size, "mark")} read` + (fresh.size < found.jobs.length ? `; ${found.jobs.length - fresh.size} are about other pictures` : ""));
  } catch {
    toast("That is no review.json of this program");
  }
}

function reviewMenu() {
  const picker = el("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": "review.json",
    onchange: (event) => event.target.files[0] && loadReview(event.target.files[0]) });
  const item = (id, label, onclick) => el("button", { type: "button", id, onclick }, label);
  const redo = () => copy(`${index.again} --redo review.json`);
  $("#review-menu").append(el("details", {}, el("summary", { id: "review-count" }, "Review"), el("div", { class: "items" },
    el("p", { class: "note" }, shelf.place),
    item("review-save", "Save review.json", saveReview),
    item("review-load", "Load review.json", () => picker.click()), picker,
    item("review-rejected", "Copy the command that does the rejected again", redo),
    item("review-approved", "Copy the command that hands over the approved", () => copy(`runcomfy-batch export ${quoted(index.directory)} --review approved --review-file review.json --copy-to approved`)),
    item("review-undo", "Undo (u)", undo),
    item("print", "Print what is shown, up to 500", printSheet),
    item("keys", "Keys (?)", showHelp))));
}
