// The windows of convolutions and pooling: which input affects which output, with which weight.

/** For one channel, the index of the output, of the input's pixel and of the window's pixel, for
    all positions of the window. Pixels outside of the image are left out. */
function seen(l) {
  const [down, across] = l.size, [high, wide] = l.kernel, [[top], [left]] = l.border;
  const found = { out: [], at: [], k: [] };
  for (let row = 0; row < down; row++) for (let column = 0; column < across; column++)
    for (let i = 0; i < high; i++) for (let j = 0; j < wide; j++) {
      const y = row * l.stride[0] + i * l.dilation[0] - top;
      const x = column * l.stride[1] + j * l.dilation[1] - left;
      if (y < 0 || x < 0 || y >= l.height || x >= l.width) continue;
      found.out.push(row * across + column);
      found.at.push(y * l.width + x);
      found.k.push(i * wide + j);
    }
  return found;
}

/** Calls visit(output, input, kernel) for all of these, in each channel. */
function windows(l, channels, visit) {
  const { out, at, k } = l.seen ??= seen(l);
  const places = l.size[0] * l.size[1], area = l.height * l.width;
  for (let c = 0; c < channels; c++) for (let n = 0; n < out.length; n++)
    visit(c * places + out[n], c * area + at[n], k[n]);
}

/** The same for a convolution: each filter over the channels of its group. */
function filtered(l, visit) {
  const each = l.channels / l.groups, area = l.height * l.width;
  const places = l.size[0] * l.size[1], kernel = l.kernel[0] * l.kernel[1];
  for (let f = 0; f < l.filters; f++) {
    const first = Math.floor(f / (l.filters / l.groups)) * each;
    for (let c = 0; c < each; c++) {
      const weights = (f * each + c) * kernel, pixels = (first + c) * area, outputs = f * places;
      windows(l, 1, (out, at, k) => visit(outputs + out, pixels + at, weights + k));
    }
  }
}
