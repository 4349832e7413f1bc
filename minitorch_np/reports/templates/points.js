// Data sets of points in the plane, and the random numbers for them: a seed gives the same points
// in every browser.

/** Random numbers from a seed (mulberry32, by Tommy Ettinger). */
function generator(seed) {
  let state = seed >>> 0;
  const uniform = (low = 0, high = 1) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return low + (high - low) * ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const shuffled = count => {
    const order = Array.from({ length: count }, (_, k) => k);
    for (let k = count - 1; k > 0; k--) {
      const other = Math.floor(uniform(0, k + 1));
      [order[k], order[other]] = [order[other], order[k]];
    }
    return order;
  };
  return { uniform, normal, shuffled };
}

/** A point of a spiral with several arms, each one and a quarter turns long. */
const arm = arms => (k, share) => {
  const turn = 2.5 * Math.PI * share + 2 * Math.PI * k / arms, radius = 0.15 + 1.7 * share;
  return [radius * Math.cos(turn), radius * Math.sin(turn)];
};

/** Each data set: its name, its number of classes, and a point of class k from a share in [0, 1)
    of the way and a generator. */
const DATA = {
  moons: ["two moons", 2, (k, share) => {
    const [x, y] = [Math.cos(Math.PI * share), Math.sin(Math.PI * share)];
    return k ? [0.5 - x, 0.25 - y] : [x - 0.5, y - 0.25];
  }],
  circles: ["two circles", 2, (k, share) => {
    const radius = k ? 0.5 : 1, turn = 2 * Math.PI * share;
    return [radius * Math.cos(turn), radius * Math.sin(turn)];
  }],
  xor: ["xor: opposite quarters", 2, (k, share, rng) => {
    const [x, y] = [rng.uniform(0.05, 1), rng.uniform(0.05, 1)], sign = share < 0.5 ? 1 : -1;
    return [sign * x, (k ? -sign : sign) * y];
  }],
  spiral: ["two spirals", 2, arm(2)],
  spirals: ["three spirals", 3, arm(3)],
};

/** Points for training, and a quarter for testing: x is flat, two numbers per point. */
function drawn(name, count, noise, seed) {
  const own = network.points, rng = generator(3 * seed);
  let x = own && own.x, y = own && own.y;
  if (name !== "own") {
    const [, classes, point] = DATA[name];
    x = [];
    y = Array.from({ length: count }, (_, k) => k % classes);
    y.forEach((label, k) => {
      const place = point(label, (k + 0.5) / count, rng);
      x.push(...place.map(v => v + noise * rng.normal()));
    });
  }
  const order = rng.shuffled(y.length), cut = Math.ceil(0.75 * y.length);
  const part = rows => ({
    x: Float64Array.from(rows.flatMap(k => [x[2 * k], x[2 * k + 1]])),
    y: rows.map(k => y[k]),
  });
  return { train: part(order.slice(0, cut)), test: part(order.slice(cut)) };
}
