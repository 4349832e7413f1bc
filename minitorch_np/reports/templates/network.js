// The layers, as minitorch_np computes them, for one sample at a time. A layer is a node of the
// model's description; its kind has a `forward` (node, x) -> y and a `backward` (node, x, y, dy,
// gradients) -> dx that adds the gradients of its parameters. Numbers are float64.

const network = JSON.parse(document.getElementById("network").textContent);

const bytesOf = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const parameters = {};
for (const [name, array] of Object.entries(network.arrays))
  parameters[name] = Float64Array.from(new Float32Array(bytesOf(array.numbers).buffer));
const shapes = Object.fromEntries(Object.entries(network.arrays).map(([n, a]) => [n, a.shape]));

const sigmoid = z => z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z));
const softplus = z => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const density = z => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
const SCALE = 1.0507009873554805, ALPHA = 1.6732632423543772;  // SELU's

/** The normal distribution: a series near zero, a continued fraction far away. */
function normal(z) {
  const x = Math.abs(z);
  let share = 0;
  if (x < 4) {
    let term = x, sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) { term *= x * x / (2 * n + 1); sum += term; }
    share = 0.5 - density(x) * sum;
  } else if (x < 38) {
    let part = 0;
    for (let n = Math.ceil(10 + 800 / (x * x)); n > 0; n--) part = n / (x + part);
    share = density(x) / (x + part);
  }
  return z > 0 ? 1 - share : share;
}

const gelu = z => Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3);

/** g(z), and g'(z) given a = g(z) too. */
const ACTIVATIONS = {
  ReLU: [z => Math.max(z, 0), (z, a) => z > 0 ? 1 : 0],
  LeakyReLU: [(z, l) => z > 0 ? z : l.negative_slope * z, (z, a, l) => z > 0 ? 1 : l.negative_slope],
  ELU: [(z, l) => z > 0 ? z : l.alpha * Math.expm1(z), (z, a, l) => z > 0 ? 1 : a + l.alpha],
  SELU: [z => SCALE * (z > 0 ? z : ALPHA * Math.expm1(z)), (z, a) => z > 0 ? SCALE : a + SCALE * ALPHA],
  ReLU6: [z => Math.min(Math.max(z, 0), 6), (z, a) => z > 0 && z <= 6 ? 1 : 0],
  Sigmoid: [sigmoid, (z, a) => a * (1 - a)],
  HardSigmoid: [z => Math.min(Math.max(z / 6 + 0.5, 0), 1), z => z > -3 && z <= 3 ? 1 / 6 : 0],
  Tanh: [Math.tanh, (z, a) => 1 - a * a],
  Softplus: [(z, l) => softplus(l.beta * z) / l.beta, (z, a, l) => sigmoid(l.beta * z)],
  SiLU: [z => z * sigmoid(z), (z, a) => sigmoid(z) + a * (1 - sigmoid(z))],
  HardSwish: [z => z * Math.min(Math.max(z / 6 + 0.5, 0), 1),
    z => z > 3 ? 1 : z > -3 ? z / 3 + 0.5 : 0],
  Mish: [z => z * Math.tanh(softplus(z)), z => {
    const t = Math.tanh(softplus(z));
    return t + z * (1 - t * t) * sigmoid(z);
  }],
  GELU: [(z, l) => l.approximate === "tanh" ? z * (0.5 + 0.5 * Math.tanh(gelu(z))) : z * normal(z),
    (z, a, l) => {
      if (l.approximate !== "tanh") return normal(z) + z * density(z);
      const t = Math.tanh(gelu(z));
      const slope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z * z);
      return 0.5 + 0.5 * t + 0.5 * z * (1 - t * t) * slope;
    }],
};
/** The settings of a node that is switched to another activation. */
const SETTINGS = { negative_slope: 0.01, alpha: 1, beta: 1, approximate: "none" };

function softmax(scores) {
  const largest = Math.max(...scores);
  const p = scores.map(s => Math.exp(s - largest));
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map(e => e / sum);
}

const zeros = count => new Float64Array(count);
const sized = l => zeros(l.shape.reduce((a, b) => a * b, 1));

function counts(l) {
  const found = sized(l);
  windows(l, l.channels, out => { found[out]++; });
  return found;
}

/** The entry of a layer's parameters for the k-th number of a sample. */
const entryOf = (l, k) => Math.floor(k / l.repeat) % l.entries;

/** Groups of l.size numbers with mean 0, if they are centred, and mean square 1. */
function standardized(l, x) {
  const unit = zeros(x.length), inverse = zeros(x.length / l.size);
  for (let from = 0; from < x.length; from += l.size) {
    const part = x.subarray(from, from + l.size);
    const mean = l.centred ? part.reduce((a, v) => a + v, 0) / l.size : 0;
    const square = part.reduce((a, v) => a + (v - mean) ** 2, 0) / l.size;
    inverse[from / l.size] = 1 / Math.sqrt(square + l.epsilon);
    part.forEach((v, k) => { unit[from + k] = (v - mean) * inverse[from / l.size]; });
  }
  return { unit, inverse };
}

/** f(row, where it begins) of each row along a sample's last axis. */
function eachRow(l, x, f) {
  const y = zeros(x.length), length = l.shape.at(-1);
  for (let from = 0; from < x.length; from += length) y.set(f(x.subarray(from, from + length), from), from);
  return y;
}

const KINDS = {
  same: { forward: (l, x) => x, backward: (l, x, y, dy) => dy },
  activation: {
    forward: (l, x) => x.map(z => ACTIVATIONS[l.name][0](z, l)),
    backward: (l, x, y, dy) => dy.map((d, k) => d * ACTIVATIONS[l.name][1](x[k], y[k], l)),
  },
  dense: {
    forward(l, x) {
      const w = parameters[l.weight], b = l.bias && parameters[l.bias], y = sized(l);
      for (let k = 0; k < y.length; k++) {
        const unit = k % l.units, from = (k - unit) / l.units * l.inputs;
        let sum = b ? b[unit] : 0;
        for (let j = 0; j < l.inputs; j++) sum += w[unit * l.inputs + j] * x[from + j];
        y[k] = sum;
      }
      return y;
    },
    backward(l, x, y, dy, gradients) {
      const w = parameters[l.weight], dw = gradients[l.weight], db = l.bias && gradients[l.bias];
      const dx = zeros(x.length);
      for (let k = 0; k < dy.length; k++) {
        const unit = k % l.units, from = (k - unit) / l.units * l.inputs;
        if (db) db[unit] += dy[k];
        for (let j = 0; j < l.inputs; j++) {
          dw[unit * l.inputs + j] += dy[k] * x[from + j];
          dx[from + j] += dy[k] * w[unit * l.inputs + j];
        }
      }
      return dx;
    },
  },
  convolution: {
    forward(l, x) {
      const w = parameters[l.weight], b = l.bias && parameters[l.bias], y = sized(l);
      const places = l.size[0] * l.size[1];
      if (b) y.forEach((_, k) => { y[k] = b[Math.floor(k / places)]; });
      filtered(l, (out, at, k) => { y[out] += w[k] * x[at]; });
      return y;
    },
    backward(l, x, y, dy, gradients) {
      const w = parameters[l.weight], dw = gradients[l.weight], dx = zeros(x.length);
      const places = l.size[0] * l.size[1];
      if (l.bias) dy.forEach((d, k) => { gradients[l.bias][Math.floor(k / places)] += d; });
      filtered(l, (out, at, k) => { dw[k] += dy[out] * x[at]; dx[at] += dy[out] * w[k]; });
      return dx;
    },
  },
  maximum: {
    forward(l, x) {
      const y = sized(l).fill(-Infinity);
      windows(l, l.channels, (out, at) => { y[out] = Math.max(y[out], x[at]); });
      return y;
    },
    backward(l, x, y, dy) {
      const dx = zeros(x.length), taken = new Uint8Array(y.length);
      windows(l, l.channels, (out, at) => {
        if (!taken[out] && x[at] === y[out]) { taken[out] = 1; dx[at] += dy[out]; }
      });
      return dx;
    },
  },
  average: {
    forward(l, x) {
      const y = sized(l), n = counts(l);
      windows(l, l.channels, (out, at) => { y[out] += x[at] / n[out]; });
      return y;
    },
    backward(l, x, y, dy) {
      const dx = zeros(x.length), n = counts(l);
      windows(l, l.channels, (out, at) => { dx[at] += dy[out] / n[out]; });
      return dx;
    },
  },
  mean: {
    forward: (l, x) => sized(l).map((_, c) => x.slice(c * l.pixels, (c + 1) * l.pixels)
      .reduce((a, b) => a + b, 0) / l.pixels),
    backward: (l, x, y, dy) => x.map((_, k) => dy[Math.floor(k / l.pixels)] / l.pixels),
  },
  affine: {
    forward: (l, x) => x.map((v, k) => l.scale[Math.floor(k / l.repeat)] * v
      + l.shift[Math.floor(k / l.repeat)]),
    backward: (l, x, y, dy) => dy.map((d, k) => d * l.scale[Math.floor(k / l.repeat)]),
  },
  norm: {
    forward(l, x) {
      const w = parameters[l.weight], b = l.bias && parameters[l.bias];
      return standardized(l, x).unit.map((u, k) => w[entryOf(l, k)] * u + (b ? b[entryOf(l, k)] : 0));
    },
    backward(l, x, y, dy, gradients) {
      const { unit, inverse } = standardized(l, x), dx = zeros(x.length);
      const g = dy.map((d, k) => d * parameters[l.weight][entryOf(l, k)]);
      dy.forEach((d, k) => {
        gradients[l.weight][entryOf(l, k)] += d * unit[k];
        if (l.bias) gradients[l.bias][entryOf(l, k)] += d;
      });
      for (let from = 0; from < x.length; from += l.size) {
        let mean = 0, along = 0;
        for (let k = from; k < from + l.size; k++) {
          mean += l.centred ? g[k] / l.size : 0;
          along += g[k] * unit[k] / l.size;
        }
        for (let k = from; k < from + l.size; k++)
          dx[k] = (g[k] - mean - unit[k] * along) * inverse[from / l.size];
      }
      return dx;
    },
  },
  prelu: {
    forward: (l, x) => x.map((v, k) => v > 0 ? v : parameters[l.weight][entryOf(l, k)] * v),
    backward: (l, x, y, dy, gradients) => dy.map((d, k) => {
      if (x[k] > 0) return d;
      gradients[l.weight][entryOf(l, k)] += d * x[k];
      return d * parameters[l.weight][entryOf(l, k)];
    }),
  },
  softmax: {
    forward: (l, x) => eachRow(l, x, softmax),
    backward: (l, x, y, dy) => eachRow(l, y, (p, from) => {
      const sum = p.reduce((total, share, k) => total + share * dy[from + k], 0);
      return p.map((share, k) => share * (dy[from + k] - sum));
    }),
  },
  "log softmax": {
    forward: (l, x) => eachRow(l, x, s => {
      const largest = Math.max(...s);
      const sum = s.reduce((total, each) => total + Math.exp(each - largest), 0);
      return s.map(each => each - largest - Math.log(sum));
    }),
    backward: (l, x, y, dy) => eachRow(l, y, (logs, from) => {
      const sum = logs.reduce((total, _, k) => total + dy[from + k], 0);
      return logs.map((each, k) => dy[from + k] - Math.exp(each) * sum);
    }),
  },
  add: {
    forward(l, x) {
      l.made = l.branches.map(nodes => forward(nodes, x));
      return sized(l).map((_, k) => l.made.reduce((sum, values) => sum + values.at(-1)[k], 0));
    },
    backward(l, x, y, dy, gradients) {
      const back = l.branches.map((nodes, k) => backward(nodes, l.made[k], dy, gradients));
      return x.map((_, k) => back.reduce((sum, dx) => sum + dx[k], 0));
    },
  },
};

/** The input and the outputs of all layers. */
function forward(nodes, x) {
  const values = [x];
  for (const l of nodes) values.push(KINDS[l.kind].forward(l, values.at(-1)));
  return values;
}

/** dL/dx, given dL/d(output); gradients of the parameters are added up in `gradients`. */
function backward(nodes, values, dy, gradients) {
  for (let k = nodes.length - 1; k >= 0; k--)
    dy = KINDS[nodes[k].kind].backward(nodes[k], values[k], values[k + 1], dy, gradients);
  return dy;
}

function probabilities(outputs) {
  if (network.outputs === "scores") return softmax(outputs);
  return network.outputs === "logits" ? outputs.map(sigmoid) : outputs;
}

/** Softmax cross-entropy of rows of scores: the mean loss, and its gradient (P - Y) / m. */
function crossEntropy(scores, labels) {
  const m = labels.length, classes = scores.length / m, dy = zeros(scores.length);
  let loss = 0;
  labels.forEach((label, row) => {
    const s = scores.subarray(row * classes, (row + 1) * classes), largest = Math.max(...s);
    const sum = s.reduce((total, each) => total + Math.exp(each - largest), 0);
    loss += (largest + Math.log(sum) - s[label]) / m;
    s.forEach((each, k) => {
      dy[row * classes + k] = (Math.exp(each - largest) / sum - (k === label ? 1 : 0)) / m;
    });
  });
  return { loss, dy };
}

/** The same of rows of probabilities: the mean of -log p of the right classes. */
function crossEntropyOf(p, labels) {
  const m = labels.length, classes = p.length / m, dy = zeros(p.length);
  let loss = 0;
  labels.forEach((label, row) => {
    const share = p[row * classes + label];
    loss -= Math.log(share) / m;
    dy[row * classes + label] = -1 / (m * share);
  });
  return { loss, dy };
}

/** The loss of samples, and its gradients. Nodes of shape [m, ...] take m samples at once. */
function lesson(x, labels, nodes = network.layers) {
  const measured = network.outputs === "probabilities" ? crossEntropyOf : crossEntropy;
  const values = forward(nodes, x), { loss, dy } = measured(values.at(-1), labels);
  const gradients = {};
  for (const name of Object.keys(parameters)) gradients[name] = zeros(parameters[name].length);
  const dx = backward(nodes, values, dy, gradients);
  return { loss, gradients, dx, values };
}

/** One step of plain gradient descent, unless the loss is NaN. */
function learn(x, labels, rate, nodes = network.layers) {
  const { gradients, loss } = lesson(x, labels, nodes);
  if (Number.isFinite(loss)) for (const [name, gradient] of Object.entries(gradients))
    gradient.forEach((g, k) => { parameters[name][k] -= rate * g; });
  return loss;
}
