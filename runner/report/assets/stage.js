// A pair of pictures: one over the other with a movable edge, or side by side; zoomed and moved; on white, black, checks.

function stage(pair) {
  const view = { scale: 1, x: 0, y: 0 };
  const isPair = pair.before && pair.after;
  const box = el("div", { class: "stage checks", "data-mode": isPair ? "slide" : pair.after ? "after" : "before" });
  const layer = (one, name) => {
    const made = el("div", { class: `layer ${name}` });
    if (one) made.append(one);
    return made;
  };
  const after = layer(pair.after, "after"), before = layer(pair.before, "before");
  const edge = el("input", { type: "range", class: "edge", min: 0, max: 100, step: 0.5, value: 50,
    "aria-label": "Where before ends and after begins" });
  const tags = [el("span", { class: "tag left" }, pair.words[0]), el("span", { class: "tag right" }, pair.words[1])];
  const handle = el("span", { class: "handle", "aria-hidden": "true" });
  box.append(after, before, handle, ...tags);
  const cut = () => box.style.setProperty("--edge", `${edge.value}%`);
  edge.addEventListener("input", cut);
  cut();

  const draw = () => {
    for (const one of [after, before]) {
      if (one.firstChild) one.firstChild.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    }
    percent.textContent = view.scale === 1 ? "fit" : `×${view.scale.toFixed(1)}`;
  };
  const zoom = (scale, x = box.clientWidth / 2, y = box.clientHeight / 2) => {
    const next = Math.min(16, Math.max(1, scale)), factor = next / view.scale;
    const dx = x - box.clientWidth / 2, dy = y - box.clientHeight / 2;
    Object.assign(view, { scale: next, x: dx - (dx - view.x) * factor, y: dy - (dy - view.y) * factor });
    if (next === 1) Object.assign(view, { x: 0, y: 0 });
    draw();
  };
  box.addEventListener("wheel", (event) => {
    event.preventDefault();
    const place = box.getBoundingClientRect();
    zoom(view.scale * Math.exp(-event.deltaY / 400), event.clientX - place.left, event.clientY - place.top);
  }, { passive: false });
  drag(box, view, edge, cut, draw, zoom);

  const percent = el("output", { class: "percent" }, "fit");
  const press = (label, name, onclick, more = {}) => el("button", { type: "button", class: "small", "aria-label": name, title: name, onclick, ...more }, label);
  const modes = isPair && el("select", { "aria-label": "How the two are shown", onchange: (event) => {
    box.dataset.mode = event.target.value;
    edge.disabled = event.target.value !== "slide";
  } }, ...[["slide", "one over the other"], ["beside", "side by side"], ["after", `${pair.words[1]} alone`], ["before", `${pair.words[0]} alone`]]
    .map(([value, text]) => el("option", { value }, text)));
  const grounds = el("select", { "aria-label": "Background", onchange: (event) => {
    box.classList.remove("checks", "white", "black", "grey");
    box.classList.add(event.target.value);
  } }, ...["checks", "white", "black", "grey"].map((name) => el("option", { value: name }, `on ${name}`)));
  const tools = el("div", { class: "tools" }, isPair && edge, modes, grounds,
    el("span", { class: "zoom" }, press("−", "Zoom out", () => zoom(view.scale / 1.5)), percent, press("+", "Zoom in", () => zoom(view.scale * 1.5)),
      press("1:1", "1:1, pixel by pixel", () => zoom(actual(after.firstChild ?? before.firstChild, box)))));
  return { node: el("div", { class: "pair" }, box, tools), zoom: (factor) => zoom(view.scale * factor), edge };
}

// The scale at which a pixel of the picture is a pixel of the screen.
function actual(shown, box) {
  if (!shown?.naturalWidth) return 1;
  const fit = Math.min(box.clientWidth / shown.naturalWidth, box.clientHeight / shown.naturalHeight);
  return 1 / fit / devicePixelRatio;
}

// One finger or the mouse moves the edge, or the picture where it is zoomed; two fingers zoom.
function drag(box, view, edge, cut, draw, zoom) {
  const fingers = new Map();
  let last = null;
  const apart = () => {
    const [a, b] = [...fingers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  const at = (event) => {
    const place = box.getBoundingClientRect();
    return { x: event.clientX - place.left, y: event.clientY - place.top };
  };
  const follow = ({ x }) => {
    if (box.dataset.mode !== "slide") return;
    edge.value = (x / box.clientWidth) * 100;
    cut();
  };
  box.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button, a, video")) return;
    box.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    last = fingers.size === 2 ? apart() : at(event);
    if (view.scale === 1 && fingers.size === 1) follow(last);
  });
  box.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, at(event));
    if (fingers.size === 2) {
      const now = apart();
      zoom(view.scale * now.distance / last.distance, now.x, now.y);
      last = now;
    } else if (view.scale === 1) follow(at(event));
    else {
      const now = at(event);
      Object.assign(view, { x: view.x + now.x - last.x, y: view.y + now.y - last.y });
      last = now;
      draw();
    }
  });
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, (event) => {
    fingers.delete(event.pointerId);
    last = [...fingers.values()][0] ?? null;
  });
  box.addEventListener("dblclick", (event) => {
    const { x, y } = at(event);
    zoom(view.scale > 1 ? 1 : 3, x, y);
  });
}
