// Shared by the pages: making elements, painting numbers, and writing the parameters to a file.

const element = id => document.getElementById(id);
const percent = share => `${(100 * share).toFixed(1)} %`;
const make = (tag, words = "", label = "") => {
  const made = document.createElement(tag);
  made.textContent = words;
  if (label) made.setAttribute("aria-label", label);
  return made;
};

/** Numbers as pixels: grey from 0 up, or blue above zero and orange below. */
function paint(canvas, numbers, signed, from = 0) {
  const count = canvas.width * canvas.height, pixels = new ImageData(canvas.width, canvas.height);
  let most = 0;
  for (let k = 0; k < count; k++) most = Math.max(most, Math.abs(numbers[from + k]));
  for (let k = 0; k < count; k++) {
    const share = most ? numbers[from + k] / most : 0;
    const to = !signed ? [255, 255, 255] : share >= 0 ? [86, 180, 233] : [230, 120, 0];
    for (let c = 0; c < 3; c++) pixels.data[4 * k + c] = Math.abs(share) * to[c];
    pixels.data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

const small = (width, height) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
};

function row(count, each) {
  const held = make("div");
  held.className = "row";
  for (let k = 0; k < count; k++) held.append(each(k));
  return held;
}

/** An array as an .npy file. */
function npy(type, shape, body) {
  const sizes = shape.map(size => `${size},`).join(" ");
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const padded = text.padEnd(117 + 64 * Math.ceil(Math.max(0, text.length - 117) / 64)) + "\n";
  const head = new Uint8Array([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0,
    ...number(padded.length, 2), ...new TextEncoder().encode(padded)]);
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}

/** A text as an .npy file: four bytes per character. */
const npyText = text => npy(`<U${[...text].length}`, [],
  new Uint8Array(Uint32Array.from([...text], letter => letter.codePointAt(0)).buffer));

/** The parameters as an .npz, a zip without compression, which Sequential.load reads. */
function archive(architecture) {
  const files = [["architecture.npy", npyText(architecture)]];
  for (const [name, array] of Object.entries(parameters))
    files.push([`${name}.npy`, npy("<f4", shapes[name],
      new Uint8Array(Float32Array.from(array).buffer))]);
  const parts = [], directory = [];
  let place = 0;
  for (const [name, content] of files) {
    const encoded = new TextEncoder().encode(name);
    const common = [20, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...number(crc(content), 4), ...number(content.length, 4),
      ...number(content.length, 4), ...number(encoded.length, 2), 0, 0];
    parts.push(new Uint8Array([0x50, 0x4b, 3, 4, ...common]), encoded, content);
    directory.push(new Uint8Array([0x50, 0x4b, 1, 2, 20, 0, ...common, ...new Array(10).fill(0),
      ...number(place, 4)]), encoded);
    place += 30 + encoded.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = new Uint8Array([0x50, 0x4b, 5, 6, 0, 0, 0, 0, ...number(files.length, 2),
    ...number(files.length, 2), ...number(size, 4), ...number(place, 4), 0, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

const number = (value, bytes) => Array.from({ length: bytes }, (_, k) => (value >>> (8 * k)) & 255);

function crc(content) {
  let found = 0xffffffff;
  for (const byte of content) {
    found ^= byte;
    for (let k = 0; k < 8; k++) found = (found >>> 1) ^ (found & 1 ? 0xedb88320 : 0);
  }
  return ~found >>> 0;
}

function download(architecture) {
  const link = make("a");
  link.href = URL.createObjectURL(archive(architecture));
  link.download = "taught.npz";
  link.click();
  URL.revokeObjectURL(link.href);
}
