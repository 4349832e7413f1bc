// The page: drawing, prediction, and training on a drawing.

const SIDE = network.side, INK_SIDE = Math.round(SIDE * 20 / 28), FAINTEST = 0.15;
const MOST_MAPS = 16, MOST_UNITS = 40;
const paper = element("paper"), pen = paper.getContext("2d", { willReadFrequently: true });
let image = null;  // what the network sees: side * side numbers from 0 to 1
let before = [];  // parameters before each training step
let switched = false;

/** A drawing, or a picture of one, in the form of MNIST's digits: the longer side of the ink has 20
    of 28 pixels, the centre of mass is in the middle. `grey` is width * height numbers, 0 to 255. */
function prepare(grey, width, height) {
  const border = [];
  for (let k = 0; k < width; k++) border.push(grey[k], grey[(height - 1) * width + k]);
  for (let k = 0; k < height; k++) border.push(grey[k * width], grey[k * width + width - 1]);
  const ground = border.sort((a, b) => a - b)[border.length >> 1];
  const ink = grey.map(v => Math.abs(v - ground));
  const strongest = ink.reduce((a, b) => Math.max(a, b), 0);
  if (strongest < 8) return null;
  let [top, bottom, left, right] = [height, -1, width, -1];
  ink.forEach((v, k) => {
    if (v < FAINTEST * strongest) { ink[k] = 0; return; }
    const row = Math.floor(k / width), column = k % width;
    top = Math.min(top, row); bottom = Math.max(bottom, row);
    left = Math.min(left, column); right = Math.max(right, column);
  });
  const high = bottom - top + 1, wide = right - left + 1, scale = INK_SIDE / Math.max(high, wide);
  const rows = Math.max(1, Math.round(high * scale)), columns = Math.max(1, Math.round(wide * scale));
  const small = shrink(ink, width, left, top, wide, high, columns, rows);
  const most = small.reduce((a, b) => Math.max(a, b), 0);
  if (!most) return null;
  const [mass, down, across] = small.reduce(([m, y, x], v, k) => [m + v,
    y + v * (Math.floor(k / columns) + 0.5), x + v * (k % columns + 0.5)], [0, 0, 0]);
  const corner = (sum, size) =>
    Math.min(SIDE - size, Math.max(0, Math.round(SIDE / 2 - sum / mass)));
  const y = corner(down, rows), x = corner(across, columns), out = zeros(SIDE * SIDE);
  small.forEach((v, k) => {
    out[(y + Math.floor(k / columns)) * SIDE + x + k % columns] = Math.round(255 * v / most) / 255;
  });
  return out;
}

/** A part of an image in fewer pixels: the mean of the area that each one covers. */
function shrink(from, width, left, top, wide, high, columns, rows) {
  const out = zeros(columns * rows);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
    const [y0, y1] = [row * high / rows, (row + 1) * high / rows];
    const [x0, x1] = [column * wide / columns, (column + 1) * wide / columns];
    let sum = 0;
    for (let y = Math.floor(y0); y < y1; y++) for (let x = Math.floor(x0); x < x1; x++) {
      const share = (Math.min(y + 1, y1) - Math.max(y, y0)) * (Math.min(x + 1, x1) - Math.max(x, x0));
      sum += share * from[(top + y) * width + left + x];
    }
    out[row * columns + column] = sum / ((y1 - y0) * (x1 - x0));
  }
  return out;
}

/** Update everything that depends on the image and the parameters. */
function look() {
  const seen = element("seen");
  if (!image) {
    paint(seen, zeros(SIDE * SIDE), false);
    element("answer").textContent = "Draw a digit.";
    for (const bar of element("bars").children) fill(bar, 0);
    element("inside").replaceChildren();
    return;
  }
  paint(seen, image, false);
  const values = forward(network.layers, image), p = probabilities(values.at(-1));
  const best = p.indexOf(Math.max(...p));
  element("answer").textContent = `It reads ${network.names[best]}, with probability ${percent(p[best])}.`;
  [...element("bars").children].forEach((bar, k) => fill(bar, p[k], k === best));
  inside(values);
}

function fill(bar, share, best) {
  bar.querySelector("i").style.width = `${100 * share}%`;
  bar.querySelector("span").textContent = percent(share);
  bar.classList.toggle("best", Boolean(best));
}

/** Show the first Dense layer's weights and outputs, and the maps of outputs with height and width. */
function inside(values) {
  const held = element("inside"), nodes = network.layers;
  held.replaceChildren();
  nodes.forEach((l, k) => {
    const y = values[k + 1];
    if (l.kind === "dense" && l.inputs === SIDE * SIDE) {
      const after = nodes[k + 1]?.kind === "activation" ? values[k + 2] : y;
      const most = after.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
      held.append(make("h3", `${l.label}: the weights and the output of each unit`));
      held.append(row(Math.min(l.units, MOST_UNITS), unit => {
        const canvas = small(SIDE, SIDE), box = make("figure");
        paint(canvas, parameters[l.weight], true, unit * l.inputs);
        const light = make("figcaption", after[unit].toFixed(2).replace(/^-0.00$/, "0.00"));
        light.style.setProperty("--light", Math.abs(after[unit]) / most);
        box.append(canvas, light);
        return box;
      }));
    } else if (l.shape.length === 3 && l.kind !== "same") {
      const [channels, height, width] = l.shape;
      held.append(make("h3", `${l.label}: its maps`));
      held.append(row(Math.min(channels, MOST_MAPS), c => {
        const canvas = small(width, height), box = make("figure");
        paint(canvas, y, true, c * height * width);
        box.append(canvas);
        return box;
      }));
    }
  });
}

let waiting = false;
/** The drawing has changed: process it once in the next frame, regardless of the number of strokes. */
function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const { data, width, height } = pen.getImageData(0, 0, paper.width, paper.height);
    const grey = zeros(width * height);
    for (let k = 0; k < grey.length; k++) grey[k] = data[4 * k];
    image = prepare(grey, width, height);
    look();
  });
}

function clear() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, paper.width, paper.height);
  image = null;
  look();
}

/** Load a picture from a file; transparent parts become white. */
async function load(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, 600 / Math.max(picture.width, picture.height));
    const canvas = small(Math.max(1, Math.round(picture.width * scale)),
      Math.max(1, Math.round(picture.height * scale)));
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const grey = zeros(canvas.width * canvas.height);
    for (let k = 0; k < grey.length; k++)
      grey[k] = 0.299 * data[4 * k] + 0.587 * data[4 * k + 1] + 0.114 * data[4 * k + 2];
    const found = prepare(grey, canvas.width, canvas.height);
    clear();
    image = found;
    look();
    if (!found) element("answer").textContent = `${file.name}: nothing stands out from its background.`;
  } catch {
    element("answer").textContent = `${file.name} is not a picture that this browser can read.`;
  }
}

function teach(steps) {
  if (!image) { element("taught").textContent = "Draw a digit first."; return; }
  const rate = Number(element("rate").value), label = Number(element("right").value);
  if (!(rate > 0)) { element("taught").textContent = "The learning rate must be above 0."; return; }
  before.push(Object.fromEntries(Object.entries(parameters).map(([n, a]) => [n, a.slice()])));
  const { loss, gradients } = lesson(image, [label]);
  for (let k = 0; k < steps; k++) learn(image, [label], rate);
  const after = lesson(image, [label]).loss;
  const size = Object.entries(gradients).filter(([, g]) => g.some(Boolean))
    .map(([name, g]) => `${name} ${Math.hypot(...g).toPrecision(3)}`).join(", ");
  element("taught").textContent = `Loss ${loss.toPrecision(4)}, now ${after.toPrecision(4)}. `
    + `Gradients were (length): ${size}.`;
  look();
}

function undo() {
  const kept = before.pop();
  element("taught").textContent = kept ? "The last training steps are undone." : "There is nothing to undo.";
  if (kept) Object.assign(parameters, kept);
  look();
}

/** Fill the page's lists: bars, examples, activations. */
function build() {
  network.names.forEach((name, k) => {
    const bar = make("li");
    const track = make("b");
    track.append(make("i"));
    bar.append(make("strong", name), track, make("span"));
    element("bars").append(bar);
    const option = make("option", name);
    option.value = String(k);
    element("right").append(option);
  });
  for (const each of network.examples) {
    const button = make("button", "", `${each.kind === "worst" ? "error" : "example"}: ${network.names[each.label]}`);
    const canvas = small(SIDE, SIDE);
    const pixels = Float64Array.from(bytesOf(each.pixels), v => v / 255);
    paint(canvas, pixels, false);
    button.type = "button";
    button.append(canvas);
    button.addEventListener("click", () => {
      clear();
      image = pixels;
      element("right").value = String(each.label);
      look();
    });
    element(each.kind).append(button);
  }
  element("given").hidden = !network.examples.length;
  element("lessons").hidden = !network.teachable;
  element("no-lessons").hidden = network.teachable;
  for (const l of network.layers) if (l.kind === "activation") {
    const select = make("select", "", `activation of layer ${l.path}`);
    for (const name of Object.keys(ACTIVATIONS)) select.append(make("option", name));
    select.value = l.name;
    const original = l.name;
    select.addEventListener("change", () => {
      l.name = select.value;
      for (const [key, value] of Object.entries(SETTINGS)) l[key] ??= value;
      switched = network.layers.some(n => n.first && n.first !== n.name);
      element("download").disabled = switched;
      look();
    });
    l.first = original;
    const label = make("label", `${l.path} `);
    label.append(select);
    element("switches").append(label);
  }
  element("switching").hidden = !element("switches").children.length;
}

let last = null;
const at = event => {
  const box = paper.getBoundingClientRect();
  return [(event.clientX - box.left) * paper.width / box.width,
    (event.clientY - box.top) * paper.height / box.height];
};
function stroke(event) {
  const [x, y] = at(event);
  pen.strokeStyle = "#fff";
  pen.lineWidth = paper.width / 14;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...(last ?? [x, y]));
  pen.lineTo(x + 0.01, y);  // a line of length 0, as after a tap, would not be drawn
  pen.stroke();
  last = [x, y];
  changed();
}
paper.addEventListener("pointerdown", event => {
  paper.setPointerCapture(event.pointerId);
  last = null;
  stroke(event);
});
paper.addEventListener("pointermove", event => { if (event.buttons) stroke(event); });
element("clear").addEventListener("click", clear);
element("picture").addEventListener("change", event => {
  if (event.target.files[0]) load(event.target.files[0]);
});
element("one").addEventListener("click", () => teach(1));
element("ten").addEventListener("click", () => teach(10));
element("undo").addEventListener("click", undo);
element("download").addEventListener("click", () => download(network.architecture));
build();
clear();
