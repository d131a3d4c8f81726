// What the page holds: an index of all jobs in columns, and blocks of whole records that are unpacked when needed.

async function unpack(name) {
  const node = document.getElementById(name);
  const text = node.textContent;
  let bytes;
  if (Uint8Array.fromBase64) bytes = Uint8Array.fromBase64(text);
  else {
    const packed = atob(text);
    bytes = new Uint8Array(packed.length);
    for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
  }
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(plain).text());
}

const blocks = new Map();
const MOST_BLOCKS = 12;

// Where the data come from: the page itself. In the page that follows a run, live.js asks the server in its place.
const source = {
  index: async () => {
    const found = await unpack("index");
    document.getElementById("index").remove(); // its text is not needed twice
    return found;
  },
  // A job's record as in results.jsonl, with `before`, `source` and `variant`.
  record: async (job) => {
    const number = Math.floor(job / index.block);
    if (!blocks.has(number)) {
      if (blocks.size >= MOST_BLOCKS) blocks.delete(blocks.keys().next().value);
      blocks.set(number, unpack(`block-${number}`));
    }
    return (await blocks.get(number))[job % index.block];
  },
  begun: () => {},
};

let index; // the columns, and what is known of the run
let total = 0; // how many jobs there are
const positions = new Map(); // by job id, made when first asked for

async function load() {
  index = await source.index();
  total = index.id.length;
  for (const name of ["state", "code", "model", "variant", "table", "prompt", "format"]) {
    const column = index[name];
    column.rows = column.values.length < 256 ? Uint8Array.from(column.rows) : Uint32Array.from(column.rows);
  }
  const known = (numbers, scale = 1) => numbers.map((number) => number < 0 ? null : number / scale);
  for (const name of ["cost", "sent", "ended"]) index[name] = known(index[name]);
  index.seconds = known(index.tenths, 10);
  index.request = index.id.map((_, job) => index.request.slice(job * 8, job * 8 + 8).trimEnd());
}

// A picture is named after its job, and then only its ending is kept; or it has a path of its own.
function pictureOf(job) {
  const path = index.picture[job];
  return path && !path.includes("/") ? `images/${index.id[job]}.${path}` : path;
}

const few = (name, job) => index[name].values[index[name].rows[job]];
const stateOf = (job) => few("state", job);
const groupOf = (job) => index.groups.find((group) => group.code === few("code", job) && group.state === stateOf(job));

function positionOf(id) {
  if (!positions.size) index.id.forEach((one, job) => positions.set(one, job));
  return positions.get(id);
}

// The names of what was noticed about a job's pictures.
const flagsOf = (job) => index.marked.names.filter((_, bit) => index.marked.rows[job] & (1 << bit));

async function recordOf(job) {
  const [record, more] = await source.record(job);
  return { ...record, ...more };
}
