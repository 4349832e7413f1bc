// The windows of convolutions and pooling: which input each output sees, through which weight.

/** For each place of a window: visit(output, input, kernel) of every pixel inside of the image. */
function windows(l, channels, visit) {
  const [down, across] = l.size, [high, wide] = l.kernel;
  const [[top], [left]] = l.border;
  for (let c = 0; c < channels; c++)
    for (let row = 0; row < down; row++) for (let column = 0; column < across; column++)
      for (let i = 0; i < high; i++) for (let j = 0; j < wide; j++) {
        const y = row * l.stride[0] + i * l.dilation[0] - top;
        const x = column * l.stride[1] + j * l.dilation[1] - left;
        if (y < 0 || x < 0 || y >= l.height || x >= l.width) continue;
        visit((c * down + row) * across + column, (c * l.height + y) * l.width + x, i * wide + j);
      }
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
