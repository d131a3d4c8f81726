// One job in full: its pictures before and after, what was asked, what it cost, what a person says of it.

let opened = -1, stageNow = null;

let leaving = null; // while the browser goes back from a job that was closed

// `isStep`: a person opened it here, so that the browser's Back closes it; a link to it is a step already.
async function open(job, isStep = true) {
  await leaving;
  opened = job;
  state.job = index.id[job];
  const [record, reason] = await recordOf(job).then((found) => [found], (error) => [{ job_id: index.id[job], state: stateOf(job) }, error.message]);
  if (opened !== job) return; // another one was opened meanwhile
  const box = $("#detail"), held = box.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
  stageNow = null;
  const said = $("#toast", box);
  box.replaceChildren(head(job, record), reason ? el("p", { class: "note" }, `This job cannot be shown: ${reason}`) : el("div", { class: "detail" },
    el("div", { class: "pictures" }, pictures(job, record)),
    el("div", { class: "side" }, review(job, record), trouble(job, record), facts(job, record))), ...(said ? [said] : []));
  const isFirst = !box.open;
  if (isFirst) box.showModal();
  box.scrollTop = 0;
  ([...box.querySelectorAll("header button")].find((one) => one.getAttribute("aria-label") === held) ?? $("#detail-title")).focus();
  if (isFirst && isStep) history.scrollRestoration = "manual"; // where it closes, the page stays where it is
  writeAddress(isFirst && isStep ? { isOpened: true } : null);
}

// Closed, by whatever: the address says so, and the focus is where it was.
function closed() {
  const last = opened;
  opened = -1;
  state.job = null;
  document.body.append($("#toast"));
  $("#detail").replaceChildren();
  if (history.state?.isOpened) {
    leaving = new Promise((done) => { // some 10 ms; never longer, should there be nothing to go back to
      addEventListener("popstate", done, { once: true });
      setTimeout(done, 500);
    });
    history.back();
  } else writeAddress();
  comeBack(last);
}

function head(job, record) {
  const at = shown.indexOf(job);
  const go = (step, name, label) => el("button", { type: "button", "aria-label": name, title: name, onclick: () => turn(step) }, label);
  return el("header", { class: "detail-head" },
    el("h2", { id: "detail-title", tabindex: -1 }, record.job_id), stateBadge(record.state),
    ...flagsOf(job).map((flag) => el("span", { class: "flag", title: FLAGS[flag] }, `⚑ ${flag}`)),
    el("span", { class: "where" }, at < 0 ? "" : `${(at + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`),
    go(-1, "Previous job (k)", "‹"), go(1, "Next job (j)", "›"),
    el("button", { type: "button", class: "close", "aria-label": "Close (Esc)", onclick: () => $("#detail").close() }, "✕"));
}

function turn(step) {
  const at = shown.indexOf(opened);
  const next = shown[Math.min(shown.length - 1, Math.max(0, at + step))];
  if (next !== undefined && next !== opened) open(next);
}

// ---- pictures

function pictures(job, record) {
  const inputs = record.before.map((one, at) => ({ ...one, title: record.before.length > 1 ? `before ${at + 1}` : "before" }));
  if (index.earlier?.picture[job]) inputs.push({ name: "the earlier run's picture", file: index.earlier.picture[job], title: "earlier run" });
  for (const path of record.kept ?? []) inputs.push({ name: path, file: path, title: path.match(/~(\w+-\d+)\.\w+$/)?.[1].replace("-", " ") ?? "kept" });
  const outputs = record.files;
  const holder = el("div"), choice = { input: 0, output: 0 };
  const after = () => outputs.length > 1 ? `after ${choice.output + 1}` : "after";
  const show = () => holder.replaceChildren(...pair(record, inputs[choice.input], { ...outputs[choice.output], title: after() }, show));
  const tabs = (kind, all, name) => all.length > 1 && el("div", { class: "tabs", id: `${kind}s`, role: "group", "aria-label": name },
    ...all.map((one, at) => el("button", { type: "button", class: "small", "aria-pressed": String(at === choice[kind]), onclick: (event) => {
      choice[kind] = at;
      for (const other of event.target.parentNode.children) other.setAttribute("aria-pressed", String(other === event.target));
      show();
    } }, one.title ?? `after ${at + 1}`)));
  show();
  return [tabs("input", inputs, "Input"), tabs("output", outputs, "Output"), holder].filter(Boolean);
}

function pair(record, input, output, again) {
  stageNow = null;
  const alt = `${record.job_id}, `;
  const after = output.path && (isVideo(output) ? el("video", { src: place(output.path), controls: true, preload: "metadata" })
    : el("img", { src: place(output.path), alt: alt + output.title, draggable: "false" }));
  const source = input?.file ? placeOf(input.file) : input?.isLoaded ? input.url : null;
  const before = source && el("img", { src: source, alt: alt + (input?.title ?? "before"), draggable: "false", referrerpolicy: "no-referrer" });
  const notes = [];
  if (input?.url && !input.isLoaded) notes.push(el("p", { class: "note" }, `Before: ${input.name}. `,
    el("button", { type: "button", class: "small", onclick: () => { input.isLoaded = true; again(); } }, `Load it from ${new URL(input.url).host}`), " ",
    el("a", { href: input.url, target: "_blank", rel: "noreferrer noopener" }, "open beside")));
  else if (input && !source) notes.push(el("p", { class: "note" }, `Before: ${input.name}; not kept beside this page.`));
  for (const [one, name] of [[before, "before"], [after, "after"]]) one?.addEventListener("error", () => {
    notes[0]?.remove();
    one.replaceWith(el("span", { class: "absent" }, `${name}: not to be had`));
  }, { once: true });
  if (!after && !before) return [el("div", { class: "stage empty" }, el("span", { class: "absent" }, "no picture")), ...notes];
  stageNow = stage({ before, after, words: [input?.title ?? "before", output.title] });
  const file = output.path && el("p", { class: "note" }, el("a", { href: place(output.path) }, output.path),
    ` · ${output.width ? `${output.width} × ${output.height}, ` : ""}${output.format}, ${size(output.bytes)} `);
  return [stageNow.node, ...notes, file].filter(Boolean);
}

const isVideo = (file) => ["mp4", "mov", "webm"].includes(file.format);

// ---- words

function trouble(job, record) {
  if (!record.error || record.state === "done") return null;
  const group = groupOf(job);
  return el("section", { class: "trouble" }, el("h3", {}, words(record.error.code)), el("p", { class: "message" }, record.error.message),
    group && el("p", {}, group.remedy), group && command(group.command));
}

const command = (text) => el("div", { class: "command" }, el("code", {}, text), copyButton(text, "Copy", "Copy the command"));

function facts(job, record) {
  const request = { model: record.model, inputs: record.inputs };
  const row = Object.entries(record.row ?? {});
  const pairs = [
    ["Request id", record.request_id && [el("code", {}, record.request_id), copyButton(record.request_id)]],
    ["Cost", usd(index.cost[job])],
    ["Model", record.model],
    ["Variant", record.variant],
    ["Sent", clock(index.sent[job])],
    ["Ended", index.ended[job] && `${clock(index.ended[job])}, after ${duration(record.duration_s)}`],
    ["From", record.source && [el("code", {}, record.source), copyButton(record.source)]],
    ["Shared with", record.shared_from],
  ];
  return el("div", {},
    el("section", {}, el("h3", {}, "Prompt ", record.inputs.prompt && copyButton(record.inputs.prompt)), el("p", { class: "full prompt" }, record.inputs.prompt ?? "none")),
    el("dl", {}, ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    record.attempts.length > 0 && attempts(record.attempts),
    fold("Files", record.files.length && el("ul", { class: "plain" }, ...record.files.map((file) => el("li", {}, el("a", { href: place(file.path) }, file.path), " ", el("code", { class: "hash" }, file.sha256))))),
    fold("Row of the source", row.length && el("dl", {}, ...row.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value || "–")]))),
    fold("Request as JSON", json(request)),
    fold("Whole record as JSON", json(record)),
    el("p", { class: "row" }, copyButton(record.job_id, "Copy id"), copyButton(location.href, "Copy link"),
      copyButton(commandFor(job, record), "Copy command for this job")));
}

// What is to be done about this job alone; a doubt is settled with a command of its own. To --only a * is any letters and
// a ? any one, also these themselves.
function commandFor(job, record) {
  const group = groupOf(job), isAgain = group?.command.startsWith(index.again);
  return `${isAgain ? group.command : index.again} --only ${quoted(record.job_id.replaceAll("*", "?"))}`;
}

const fold = (title, content) => content ? el("details", {}, el("summary", {}, title), content) : null;

function json(value) {
  const text = JSON.stringify(value, null, 2);
  return el("div", {}, copyButton(text), el("pre", { tabindex: 0 }, text));
}

function attempts(all) {
  const cells = (kind, values) => el("tr", {}, ...values.map((value) => el(kind, {}, value)));
  const seconds = (from, to) => from && to ? duration((Date.parse(to) - Date.parse(from)) / 1000) : "";
  const rows = all.map((one) => cells("td", [one.number, words(one.state), seconds(one.intended_at, one.accepted_at), seconds(one.accepted_at, one.finished_at),
    one.cost_usd == null ? "unknown" : `$${one.cost_usd}`, one.error ? `${words(one.error.code)}: ${one.error.message}` : ""]));
  return el("details", { open: all.length > 1 }, el("summary", {}, count(all.length, "attempt")),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Attempts" }, el("table", {}, el("thead", {}, cells("th", ["", "state", "to submit", "at the service", "cost", "trouble"])), el("tbody", {}, ...rows))));
}
