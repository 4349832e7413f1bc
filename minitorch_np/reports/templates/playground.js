// The playground: a small network that is built and trained here, and its decision boundaries.

const FINEST = 72, ANSWERS = 1.2e5, UNIT_GRID = 24, MOST_LAYERS = 6, MOST_UNITS = 32, FRAME = 10;
const COLOURS = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]];
const NONE = "Identity", OWN = "own";
const NOTES = [["LeakyReLU", "ELU"], ["ReLU", "ReLU"], ["Sigmoid", "Sigmoid"], ["ReLU", NONE]];
const plane = element("plane"), curve = element("curve");
const activations = Object.fromEntries(network.activations.map(each => [each.class, each]));

/** The state that the address keeps, with its initial values. */
const FIRST = { data: network.points ? OWN : "moons", points: 200, noise: 0.1, seed: 0,
  layers: [[8, "Tanh"], [8, "Tanh"]], output: NONE, rate: 0.3, batch: 16, steps: 0 };
let state, train, test, view, classes, order, orders, losses;
let goal = 0, playing = false, frame = 0, frames = 0, written = "", place = [0, 0];

const known = name => Object.hasOwn(activations, name);
const between = (text, least, most, fallback) => {
  const value = text === null || text === "" ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : fallback;
};
const whole = (text, least, most, fallback) => Math.round(between(text, least, most, fallback));

/** The state in an address's fragment; missing or invalid parts have their initial values. */
function read(fragment) {
  const given = new URLSearchParams(fragment.replace(/^#/, "")), named = given.get("data");
  const layers = given.has("layers") ? given.get("layers").split("_").filter(Boolean) : null;
  const pairs = layers && layers.slice(0, MOST_LAYERS).map(text => text.split("-"))
    .filter(([, name]) => known(name)).map(([units, name]) => [whole(units, 1, MOST_UNITS, 8), name]);
  const there = named === OWN ? network.points : Object.hasOwn(DATA, named ?? "");
  return {
    data: there ? named : FIRST.data,
    points: whole(given.get("points"), 20, 1000, FIRST.points),
    noise: between(given.get("noise"), 0, 1, FIRST.noise),
    seed: whole(given.get("seed"), 0, 1e9, FIRST.seed),
    layers: pairs ?? structuredClone(FIRST.layers),
    output: known(given.get("output")) ? given.get("output") : FIRST.output,
    rate: between(given.get("rate"), 1e-6, 100, FIRST.rate),
    batch: whole(given.get("batch"), 0, 1000, FIRST.batch),
    steps: whole(given.get("steps"), 0, 100000, 0),
  };
}

/** The state as a fragment. */
const address = () => "#" + new URLSearchParams({ ...state,
  layers: state.layers.map(pair => pair.join("-")).join("_") });

function keepAddress() {
  written = address();
  history.replaceState(null, "", written);
}

/** The layers as in the package: Dense, activation, ..., Dense and possibly an activation. */
function layerList() {
  const found = [];
  for (const [units, name] of [...state.layers, [classes, state.output]]) {
    found.push(["Dense", units]);
    if (name !== NONE) found.push([name]);
  }
  return found;
}

/** The same as nodes for a batch of m samples. */
function nodes(m) {
  let inputs = 2;
  return layerList().map(([name, units], k) => {
    if (name !== "Dense") return { kind: "activation", name, shape: [m, inputs], ...activations[name].config };
    const node = { kind: "dense", units, inputs, shape: [m, units], weight: `${k}.weight`, bias: `${k}.bias` };
    inputs = units;
    return node;
  });
}

/** Draw the points and initial parameters: glorot_uniform and zeros, as in the package's Dense. */
function reset() {
  ({ train, test } = drawn(state.data, state.points, state.noise, state.seed));
  classes = state.data === OWN ? network.points.names.length : DATA[state.data][1];
  const rng = generator(3 * state.seed + 1);
  for (const name of Object.keys(parameters)) { delete parameters[name]; delete shapes[name]; }
  for (const l of nodes(1)) if (l.kind === "dense") {
    const limit = Math.sqrt(6 / (l.inputs + l.units));
    parameters[l.weight] = zeros(l.units * l.inputs).map(() => rng.uniform(-limit, limit));
    parameters[l.bias] = zeros(l.units);
    [shapes[l.weight], shapes[l.bias]] = [[l.units, l.inputs], [l.units]];
  }
  orders = generator(3 * state.seed + 2);
  order = [];
  losses = [];
  state.steps = 0;
  measure();
}

/** One step on the next batch; a new order is drawn at the start of each epoch. */
function step() {
  const size = state.batch || train.y.length;
  if (!order.length) order = orders.shuffled(train.y.length);
  const rows = order.splice(0, size);
  const x = Float64Array.from(rows.flatMap(k => [train.x[2 * k], train.x[2 * k + 1]]));
  const loss = learn(x, rows.map(k => train.y[k]), state.rate, nodes(rows.length));
  if (Number.isFinite(loss)) state.steps++;
  return Number.isFinite(loss);
}

/** Mean loss and accuracy. */
function judged({ x, y }) {
  const scores = forward(nodes(y.length), x).at(-1);
  const right = y.filter((label, row) => {
    const s = scores.subarray(row * classes, (row + 1) * classes);
    return s.indexOf(Math.max(...s)) === label;
  });
  return { loss: crossEntropy(scores, y).loss, right: right.length / y.length };
}

function measure() {
  const [a, b] = [judged(train), judged(test)], last = losses.at(-1);
  if (!last || last[0] !== state.steps) losses.push([state.steps, a.loss, b.loss]);
  if (losses.length > 600) losses = losses.filter((_, k) => k % 2 === 0 || k === losses.length - 1);
  const epoch = Math.floor(state.steps / Math.ceil(train.y.length / (state.batch || train.y.length)));
  element("now").textContent = `Step ${state.steps}, after ${epoch} epochs. Loss ${a.loss.toPrecision(3)} on the `
    + `${train.y.length} training points, ${b.loss.toPrecision(3)} on the ${test.y.length} others. `
    + `Right: ${percent(a.right)} and ${percent(b.right)}.`;
}

/** Set the view to the range of the points, with a margin. */
function look() {
  const ends = axis => {
    const all = [...train.x, ...test.x].filter((_, k) => k % 2 === axis);
    const [low, high] = [Math.min(...all), Math.max(...all)], room = 0.12 * (high - low) || 1;
    return [low - room, high + room];
  };
  view = { x: ends(0), y: ends(1) };
}

const at = ([low, high], share) => low + (high - low) * share;

/** The outputs of all layers at the centres of side * side squares, row by row from the top. */
function overPlane(side) {
  const x = zeros(2 * side * side);
  for (let k = 0; k < side * side; k++) {
    x[2 * k] = at(view.x, (k % side + 0.5) / side);
    x[2 * k + 1] = at(view.y, 1 - (Math.floor(k / side) + 0.5) / side);
  }
  return forward(nodes(side * side), x);
}

const inColour = name => {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
  const full = hex.length === 3 ? [...hex].map(c => c + c).join("") : hex;
  return [0, 2, 4].map(k => parseInt(full.slice(k, k + 2), 16));
};

/** Paint each square in the colour of its most probable class, paler if less certain; then the points. */
function paintPlane() {
  const units = state.layers.reduce((sum, [count]) => sum + count, classes);
  const side = Math.min(FINEST, Math.floor(Math.sqrt(ANSWERS / units)));  // so that a frame is short
  const scores = overPlane(side).at(-1), paper = inColour("--paper");
  const pixels = new ImageData(side, side), ground = small(side, side);
  for (let k = 0; k < side * side; k++) {
    let best = 0, sum = 0;  // softmax's largest share is 1 / sum
    for (let c = 1; c < classes; c++) if (scores[k * classes + c] > scores[k * classes + best]) best = c;
    for (let c = 0; c < classes; c++) sum += Math.exp(scores[k * classes + c] - scores[k * classes + best]);
    const share = Number.isFinite(sum) ? 0.75 * (1 / sum - 1 / classes) / (1 - 1 / classes) : 0;
    for (let c = 0; c < 3; c++)
      pixels.data[4 * k + c] = paper[c] + share * ((COLOURS[best] ?? paper)[c] - paper[c]);
    pixels.data[4 * k + 3] = 255;
  }
  ground.getContext("2d").putImageData(pixels, 0, 0);
  const pen = plane.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(ground, 0, 0, plane.width, plane.height);
  for (const [part, filled] of [[test, false], [train, true]]) part.y.forEach((label, k) => {
    mark(pen, ...spot(part.x[2 * k], part.x[2 * k + 1]), label, filled);
  });
  if (document.activeElement !== plane) return;
  const [x, y] = spot(...place);
  pen.strokeStyle = `rgb(${inColour("--ink")})`;
  pen.lineWidth = 3;
  pen.strokeRect(x - 14, y - 14, 28, 28);
}

/** The position on the canvas of a point in the plane. */
const spot = (x, y) => [(x - view.x[0]) / (view.x[1] - view.x[0]) * plane.width,
  (view.y[1] - y) / (view.y[1] - view.y[0]) * plane.height];

/** Draw a point: a circle, a square, a triangle, a diamond, ..., filled if it is for training. */
function mark(pen, x, y, label, filled) {
  const corners = [0, 4, 3, 4, 5, 6][label], turn = [0, Math.PI / 4, -Math.PI / 2, 0, -Math.PI / 2, 0][label];
  pen.beginPath();
  if (!corners) pen.arc(x, y, 7, 0, 2 * Math.PI);
  for (let k = 0; k < corners; k++)
    pen.lineTo(x + 9 * Math.cos(turn + 2 * Math.PI * k / corners), y + 9 * Math.sin(turn + 2 * Math.PI * k / corners));
  pen.closePath();
  pen.fillStyle = filled ? `rgb(${COLOURS[label]})` : "#fff";
  pen.strokeStyle = filled ? "#fff" : `rgb(${COLOURS[label].map(c => Math.round(0.8 * c))})`;
  pen.lineWidth = filled ? 2 : 4;
  pen.fill();
  pen.stroke();
}

/** Announce the prediction at the selected point, in the data's own units. */
function tell() {
  const own = state.data === OWN ? network.points : null;
  const names = own ? own.features : ["x1", "x2"];
  const said = place.map((v, k) => `${names[k]} = ${own ? (v * own.scale[k] + own.centre[k]).toPrecision(4) : v.toFixed(2)}`);
  const p = softmax(forward(nodes(1), Float64Array.from(place)).at(-1)), best = p.indexOf(Math.max(...p));
  element("here").textContent = `At ${said.join(", ")}: ${className(best)}, ${percent(p[best])}.`;
}

const className = k => state.data === OWN ? network.points.names[k] ?? "no class" : `class ${k}`;

function point(event) {
  const box = plane.getBoundingClientRect();
  place = [at(view.x, (event.clientX - box.left) / box.width), at(view.y, 1 - (event.clientY - box.top) / box.height)];
  tell();
}

function move(event) {
  const way = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
  if (!way) return;
  place = [view.x, view.y].map(([low, high], k) =>
    Math.min(high, Math.max(low, place[k] + way[k] * (high - low) / 20)));
  event.preventDefault();
  tell();
  paintPlane();
}

/** The losses over the steps. */
function paintCurve() {
  curve.width = 2 * curve.clientWidth;  // this clears it
  const pen = curve.getContext("2d"), { width, height } = curve, left = 80, low = height - 44;
  const ink = `rgb(${inColour("--ink")})`;
  const finite = losses.filter(each => each.every(Number.isFinite));
  const most = Math.max(...finite.flatMap(each => each.slice(1)), 1e-9) * 1.05, end = state.steps || 1;
  pen.fillStyle = pen.strokeStyle = ink;
  pen.font = "26px system-ui, sans-serif";
  pen.lineWidth = 1.5;
  pen.strokeRect(left, 10, width - left - 10, low - 10);
  pen.textAlign = "right";
  pen.fillText(most.toPrecision(2), left - 8, 28);
  pen.fillText("0", left - 8, low);
  pen.fillText(`${state.steps} steps`, width - 10, height - 10);
  [[1, COLOURS[0], []], [2, COLOURS[1], [10, 6]]].forEach(([column, colour, dashes]) => {
    pen.strokeStyle = `rgb(${colour})`;
    pen.lineWidth = 4;
    pen.setLineDash(dashes);
    pen.beginPath();
    for (const each of finite)
      pen.lineTo(left + (width - left - 10) * each[0] / end, low - (low - 10) * each[column] / most);
    pen.stroke();
  });
  pen.setLineDash([]);
}

const column = (numbers, count, unit) =>
  zeros(numbers.length / count).map((_, k) => numbers[k * count + unit]);

/** Paint the plane for each unit: blue where its output is above zero, orange where it is below. */
function paintUnits() {
  const values = overPlane(UNIT_GRID).slice(1), list = layerList(), held = element("units");
  const shown = list.map((_, k) => k).filter(k => list[k][0] !== "Dense" || list[k + 1]?.[0] === "Dense" || k === list.length - 1);
  const counts = shown.map(k => values[k].length / UNIT_GRID ** 2);
  const wanted = shown.map((k, row) => `${k}: ${list[k][0]}, ${counts[row]} units`).join();
  if (held.dataset.wanted !== wanted) {
    held.dataset.wanted = wanted;
    held.replaceChildren(...shown.flatMap((k, place) => [
      make("h3", `layer ${k}, ${list[k][0]}`),
      row(counts[place], () => small(UNIT_GRID, UNIT_GRID)),
    ]));
  }
  const rows = held.querySelectorAll(".row");
  shown.forEach((k, place) => [...rows[place].children].forEach((canvas, unit) =>
    paint(canvas, column(values[k], counts[place], unit), true)));
}

function paintAll() {
  paintPlane();
  paintCurve();
  paintUnits();
}

/** Make steps until the goal is reached, as many per frame as time allows. */
function run() {
  const began = performance.now(), most = goal === Infinity ? Number(element("speed").value) : Infinity;
  let well = true;
  for (let k = 0; well && k < most && state.steps < goal && performance.now() - began < FRAME; k++) well = step();
  measure();
  paintPlane();
  paintCurve();
  if (frames++ % 4 === 0) paintUnits();
  if (well && state.steps < goal) { frame = requestAnimationFrame(run); return; }
  pause();
  if (!well) element("now").textContent = `After step ${state.steps} the loss is no longer a number. `
    + "Choose a smaller learning rate.";
}

function play(until = Infinity) {
  goal = until;
  playing = true;
  element("now").setAttribute("aria-live", "off");  // it would be announced continuously
  element("play").textContent = "Pause";
  frame = requestAnimationFrame(run);
}

function stop() {
  cancelAnimationFrame(frame);
  playing = false;
  element("play").textContent = "Play";
  element("now").setAttribute("aria-live", "polite");
}

function pause() {
  stop();
  measure();
  tell();
  paintAll();
  keepAddress();
}

/** Restart after a change, and train for `steps` steps. */
function begin(steps = 0) {
  stop();
  reset();
  look();
  show();
  paintAll();
  tell();
  if (steps) play(steps);
  else keepAddress();
}

const restore = () => { state = read(location.hash); begin(state.steps); };

/** The controls for the units and the activation of a hidden layer. */
function layerControls(place) {
  const item = make("li"), size = make("input", "", `units of hidden layer ${place + 1}`);
  const kind = choices(make("select", "", `activation of hidden layer ${place + 1}`));
  const remove = make("button", "Remove", `remove hidden layer ${place + 1}`);
  Object.assign(size, { type: "number", min: 1, max: MOST_UNITS });
  remove.type = "button";
  size.addEventListener("change", () => {
    state.layers[place][0] = whole(size.value, 1, MOST_UNITS, state.layers[place][0]);
    begin();
  });
  kind.addEventListener("change", () => { state.layers[place][1] = kind.value; begin(); });
  remove.addEventListener("click", () => { state.layers.splice(place, 1); begin(); element("add").focus(); });
  item.append(size, kind, remove);
  return item;
}

/** Set the controls to the state. */
function show() {
  for (const name of ["data", "points", "noise", "seed", "output", "rate", "batch"]) element(name).value = String(state[name]);
  for (const name of ["points", "noise"]) element(name).disabled = state.data === OWN;
  const held = element("layers");  // elements are kept while their number is the same: one has the focus
  if (held.children.length !== state.layers.length)
    held.replaceChildren(...state.layers.map((_, place) => layerControls(place)));
  state.layers.forEach((pair, place) => pair.forEach((value, k) => { held.children[place].children[k].value = value; }));
  element("add").disabled = state.layers.length >= MOST_LAYERS;
  const [first, last] = [state.layers[0]?.[1], state.output];
  element("notes").value = String(state.layers.length === 1 && state.layers[0][0] === 10
    ? NOTES.findIndex(([a, b]) => a === first && b === last) : -1);
  element("legend").replaceChildren(...Array.from({ length: classes }, (_, k) => {
    const item = make("li"), sign = small(22, 22);
    mark(sign.getContext("2d"), 11, 11, k, true);
    item.append(sign, make("span", className(k)));
    return item;
  }));
  element("scaled").hidden = state.data !== OWN;
  const code = layerList().map(([name, units]) => units ? `mt.Dense(${units})` : `mt.${name}()`).join(", ");
  element("code").textContent = `model = mt.Sequential(${code}, input_shape=2, seed=0)\n`
    + `trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(${state.rate}), seed=0)\n`
    + `trainer.fit(x, y, epochs=10, batch_size=${state.batch || "None"})`;
}

function choices(select) {
  for (const name of Object.keys(activations)) {
    const option = make("option", name === NONE ? "none" : name);
    option.value = name;
    select.append(option);
  }
  return select;
}

/** The file's description of the network, as the package would write it. */
function architecture() {
  const layers = layerList().map(([name, units]) => units
    ? { ...network.dense, config: { ...network.dense.config, units } } : activations[name]);
  const model = { ...network.sequential, config: { layers } };
  return JSON.stringify({ ...network.file, model });
}

function setUp() {
  const option = (value, words) => Object.assign(make("option", words), { value });
  element("data").append(...(network.points ? [option(OWN, network.points.title)] : []),
    ...Object.entries(DATA).map(([name, [title]]) => option(name, title)));
  choices(element("output"));
  element("notes").append(option("-1", "another"), ...NOTES.map(([a, b], k) =>
    option(String(k), b === NONE ? `${a} + softmax` : `${a} + ${b}`)));
  const bounds = { points: [20, 1000, 1], noise: [0, 1, 0], seed: [0, 1e9, 1], rate: [1e-6, 100, 0], batch: [0, 1000, 1] };
  for (const [name, [least, most, counted]] of Object.entries(bounds))
    element(name).addEventListener("change", event => {
      state[name] = (counted ? whole : between)(event.target.value, least, most, FIRST[name]);
      begin();
    });
  for (const name of ["data", "output"]) element(name).addEventListener("change", event => {
    state[name] = event.target.value;
    begin();
  });
  element("notes").addEventListener("change", event => {
    const chosen = NOTES[event.target.value];
    if (!chosen) return;
    state.layers = [[10, chosen[0]]];
    state.output = chosen[1];
    begin();
  });
  element("add").addEventListener("click", () => {
    state.layers = [...state.layers, [...(state.layers.at(-1) ?? [8, "Tanh"])]];
    begin();
  });
  element("play").addEventListener("click", () => playing ? pause() : play());
  element("step").addEventListener("click", () => playing ? pause() : play(state.steps + 1));
  element("reset").addEventListener("click", () => begin());
  element("download").addEventListener("click", () => download(architecture()));
  plane.addEventListener("pointermove", point);
  plane.addEventListener("keydown", move);
  for (const each of ["focus", "blur"]) plane.addEventListener(each, paintPlane);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintAll);
  addEventListener("hashchange", () => { if (location.hash !== written) restore(); });
  restore();
}
setUp();
