// Elements, texts, numbers. Text becomes text, never markup: nothing here parses HTML.

const $ = (selector, root = document) => root.querySelector(selector);

// What drives a terminal or turns the direction of a text around; what a script needs to be written stays.
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|(?![\n\t])[\p{Cc}\p{Cs}]/gu;
const clean = (text) => String(text).replace(TURNING, "");

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  set(made, attributes);
  made.append(...children.flat().filter((child) => child != null && child !== false).map((child) =>
    typeof child === "object" ? child : clean(child)));
  return made;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, clean(value));
  }
}

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(made, attributes);
  made.append(...children);
  return made;
}

// A file by its path from here. Each part is encoded, so that none can be a scheme or a host. Ours alone may lead out
// of the folder: a photo that lies elsewhere on this machine.
const encoded = (path, isOurs) => path.split("/").filter((part) => part && part !== "." && (isOurs || part !== ".."))
  .map((part) => encodeURIComponent(part.toWellFormed ? part.toWellFormed() : part.replace(/\p{Cs}/gu, ""))).join("/");
const place = (path) => "./" + encoded(path, false);
const placeOf = (path) => (path.startsWith("/") ? "/" : "./") + encoded(path, true);

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const usd = (micro) => micro == null ? "unknown" : "$" + (micro / 1e6).toLocaleString("en",
  { minimumFractionDigits: 2, maximumFractionDigits: micro % 10_000 ? 6 : 2 });
const words = (text) => text.replaceAll("_", " ");

function duration(seconds) {
  if (seconds == null) return "unknown";
  if (seconds < 90) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const clock = (seconds) => seconds == null ? "" :
  new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// A word of a shell command.
const quoted = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;

// Said in the dialog that is open, since nothing outside of it can be seen over it, or is read out.
let hiding = 0;
function toast(text) {
  const home = document.querySelector("dialog[open]") ?? document.body;
  if ($("#toast").parentNode !== home) home.append($("#toast"));
  $("#toast").textContent = clean(text);
  $("#toast").classList.add("on");
  clearTimeout(hiding);
  hiding = setTimeout(() => $("#toast").classList.remove("on"), 2400);
}

// Cleaned like all that is shown: what is pasted into a terminal must not steer it.
async function copy(raw) {
  const text = clean(raw);
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission, or an old browser: the long way round
    const area = el("textarea", { "aria-hidden": "true", class: "aside" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied");
}

const copyButton = (text, label = "Copy", name = label) =>
  el("button", { type: "button", class: "small", "aria-label": name, onclick: () => copy(text) }, label);

function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
