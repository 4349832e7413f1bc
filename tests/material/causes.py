"""What the report of a planted bug should say of its cause, as regular expressions.

Each was read and found right: the sentence names the mistake, or just where and how the gradient
differs, so that its author would go to the line. They are given by class and bug.
"""

from __future__ import annotations

# ruff: noqa: E501 (the names are the bugs own)

CAUSES: dict[str, dict[str, str]] = {
    "ALiBi": {
        "the heads share the slope's gradient: it is summed over them": r"the right numbers stand in the wrong places: along axis 0",
        "the slope's gradient is of sample 0": r"only dy at sample 0 counts: what comes from the rest of it",
    },
    "AdaptiveAverage": {
        "a bin's last entry is left out": r"wrong at indices 2, 4, 6 of axis 2 of x",
        "all bins are taken to be n // bins wide": r"analytic = numeric \* 3/2",
        "the share is bins / n, right only where it divides": r"analytic = numeric \* 9/7",
    },
    "Add": {
        "the last branch is left out on the way back": r"the path through `positive\(z\)` is missing",
    },
    "AdditiveAttention": {
        "softmax's sum in backward runs over the batch: its axis is 0": r"dy is mixed along axis 0 \(samples\), though an entry of x",
    },
    "AllStates": {
        "dh is overwritten by each output's gradient": r"the path through operand 1 of `\.\.\. @ recurrent` is",
        "the recurrent weights are those of the first backward: wrong once they move": r"after a change of the parameters dx is not that of a fresh",
    },
    "AttentionPool": {
        "the softmax's sum is over the batch": r"dy is mixed along axis 0 \(samples\), though an entry of x",
    },
    "AttentionPooling": {
        "the loop leaves out the last sample's part of the query's gradient": r"what comes from dy at sample 3 \(the last\) is lost",
        "the query's gradient is clipped inside the layer": r"it is clipped to \+-0\.1",
    },
    "AveragePool1D": {
        "backward repeats each mean and leaves the rest of the length to the last one": r"wrong at index 4 of axis 2 of x \(the last\): it should be",
        "dy is divided by the batch's size too": r"analytic = numeric / 4",
        "the border's windows are divided by the full size": r"what comes from dy at indices 0, 3 of axis 2 of dy counts",
        "the window in backward is off by one": r"the right numbers stand in the wrong places: x is shifted",
        "windows that overlap overwrite each other": r"wrong at odd indices of axis 2 of x",
    },
    "AveragePool2D": {
        "windows that overlap overwrite each other": r"what comes from dy everywhere but at index 0 of axis 3 of",
    },
    "BatchNorm": {
        "dx is divided by the variance, not its root": r"analytic = numeric \* sqrt\(cache\[1\]",
    },
    "Bidirectional": {
        "both directions get the first half of dy": r"dy is read in the wrong order: dy is shifted by 2 along axis 1",
        "the reversed direction's path is missing in dx": r"what comes from dy from index 2 of axis 1 of dy on is lost",
    },
    "Bilinear": {
        "the second half gets no gradient": r"from index 2 of axis 1 of x on: analytic is 0",
        "the second half's gradient uses the weight transposed: right if it is symmetric": r"wrong from index 2 of axis 1 of x on",
    },
    "BinaryCrossEntropy": {
        "the sign is wrong": r"the sign is wrong: analytic = -numeric",
    },
    "Cauchy": {
        "the factor 2 is lost": r"analytic = numeric / 2",
    },
    "CausalAttention": {
        "dx lacks the path through the queries": r"the path through `x` of `x @ wq` is missing",
    },
    "CausalConv": {
        "dx is taken from the first n entries: causal in the wrong direction": r"the path from x to y at other indices along axis 1 of x is",
        "the taps' gradients come in reverse": r"the right numbers stand in the wrong places: taps is",
    },
    "Center": {
        "the factor 1/2 is forgotten: doubled": r"analytic = numeric \* 2",
    },
    "ChannelDropout": {
        "channels are kept or dropped, but not scaled": r"is also keep",
    },
    "ChannelNorm": {
        "n counts samples, not pixels": r"analytic - numeric is a \+ b \* x along axis 0 of x",
        "the variance's term lacks the factor x^": r"analytic - numeric is a \+ b \* x along axis 0 of x",
    },
    "ClassWeights": {
        "the class weights are lost": r"analytic = numeric \* 1\.625 / cache\[2\] along axis 0",
        "the weights multiply the target only": r"analytic - numeric is a \+ b \* cache\[0\] along axis 1",
    },
    "Columns": {
        "the columns' offsets are forgotten in backward": r"what comes from dy from index 3 of axis 1 of dy on is wrong",
        "the last column is left out": r"what comes from dy from index 3 of axis 1 of dy on is lost",
    },
    "Concatenate": {
        "the pieces of dy go to the branches in reverse order": r"dy is read in the wrong order: dy is shifted by 2 along",
    },
    "Contrastive": {
        "the distance's own derivative is lost": r"analytic = numeric \* cache\[1\] along axis 0",
    },
    "Conv1D": {
        "filters and channels are swapped in dx, which fits as there are as many": r"only the path from x to y at other indices along axis 1 of",
        "the bias's gradient is summed over filters, not steps, which fits as there are as many": r"dy is read in the wrong order: axes 1 and 2 of dy are",
        "the border is cut off one too late": r"the right numbers stand in the wrong places: x is shifted",
        "the filters are taken to alternate between groups": r"axis 1 of dy is read as 2 times 2",
        "the kernel's taps are reversed in dx": r"it would be right for weight reversed along axis 2",
        "the stride is missing in dx": r"it would be right for stride = 1, not 2",
        "the taps overwrite each other": r"wrong at indices 1, 3, 5 of axis 2 of x",
        "the weight's gradient is divided by the batch's size": r"analytic = numeric / 3",
    },
    "Conv2D": {
        "the bias's gradient is of the first sample": r"only dy at sample 0 counts: what comes from the rest of it",
    },
    "ConvTranspose1D": {
        "the bias's gradient is that of the first step": r"only dy at index 0 of axis 2 of dy counts: what comes from",
        "the kernel is turned in backward": r"it would be right for weight reversed along axis 2",
    },
    "CosineDistance": {
        "the sign is wrong: the gradient of the similarity": r"the sign is wrong: analytic = -numeric",
    },
    "CrammerSinger": {
        "the right class gets no gradient": r"wrong only in the scores of the right class: analytic is 0",
        "the sign is wrong": r"the sign is wrong: analytic = -numeric",
    },
    "CrossLayer": {
        "x0 is taken for each layer's input": r"wrong at index 1 of axis 0 of w \(the last\)",
    },
    "DenseBlock": {
        "the features handed through get no gradient of their own": r"the path through `x` of `concatenate\(x, a\)` is missing",
    },
    "Depthwise1D": {
        "dw is divided by the number of steps": r"analytic = numeric / 4",
        "dy is turned for dw": r"dy is read in the wrong order: dy is reversed along axis 2",
        "the kernel is not turned for dx": r"it would be right for weight reversed along axis 1",
    },
    "Drop": {
        "another mask is drawn in backward": r"two copies of the layer differ in dx: something is random",
        "dy is multiplied in place": r"changed in place: dy",
        "the factor 1 / (1 - rate) is lost in backward": r"is rate",
        "the prediction's dx is scaled by 1 - rate": r"is rate",
    },
    "DropConnect": {
        "the weight's gradient is that of training in both modes, scaled": r"is rate",
    },
    "Embedding": {
        "the last word of the vocabulary gets no gradient": r"wrong at index 3 of axis 0 of weight \(the last\): analytic",
    },
    "EmbeddingBag": {
        "a word that occurs twice in a bag counts once": r"wrong in just the rows of table that are used more than",
        "all bags get the gradient of the first": r"dy is read in the wrong order: index 0 stands for all",
        "each word's gradient is overwritten by the last bag's": r"wrong in just the rows of table that are used more than",
    },
    "ExponentialSmoothing": {
        "the derivative is with respect to the rate, not its logit": r"analytic = numeric / \(cache\[2\] \* \(1 - cache\[2\]\)",
        "the first step is weighted by 1 - r as the others are": r"wrong at index 0 of axis 1 of x: analytic = numeric \* \(1",
    },
    "FactorizationMachine": {
        "dv lacks the square's part": r"the path through `square\(v\)` is missing",
        "dx lacks the square's part": r"the path through `square\(x\)` is missing",
    },
    "FeatureNorm": {
        "beta's gradient is of sample 0 only": r"only dy at sample 0 counts: what comes from the rest of it",
        "gamma's gradient takes x - mean, not divided by std": r"analytic = numeric \* cache\[1\]",
        "the power -3/2 of the variance is taken of its root": r"analytic - numeric is a \+ b \* x along axis 0 of x, for each dy",
        "the term of the variance is missing": r"the path through `square\(xc\)` is missing",
    },
    "FiLM": {
        "the conditions get no gradient: right while the weights are 0": r"wrong from index 3 of axis 1 of x on: analytic is 0 there",
        "the scale's gradient forgets what it scales": r"it is the gradient of shift that is returned for scale",
    },
    "Flip": {
        "the samples are reversed, not the features": r"the right numbers stand in the wrong places: x is reversed",
    },
    "Gate": {
        "both parameters get the first one's gradient": r"it is the gradient of p that is returned for q",
    },
    "GatedConvolution": {
        "overlapping windows overwrite one another in dx": r"the path from x to y at other indices along axis 1 of x is",
    },
    "Gather": {
        "written through reshape, which is a copy for an array of another memory order": r"dx differs for x and dy that are not contiguous",
    },
    "GaussianDropout": {
        "s's gradient forgets the noise": r"analytic = numeric / cache\[1\]",
        "s's gradient is not summed: it has the last sample's": r"only dy at sample 2 \(the last\) counts: what comes from",
    },
    "GaussianNLL": {
        "the factor 1/2 is lost: doubled": r"analytic = numeric \* 2",
    },
    "GaussianNoise": {
        "the cache is in float32": r"it agrees to about 7 digits only: is something rounded to",
    },
    "GlobalAveragePool2D": {
        "divided by the channels too": r"analytic = numeric / 2",
        "only divided by the rows": r"analytic = numeric \* 5",
    },
    "GlobalMax": {
        "ties are counted once for each": r"equal entries, moved together, change the value by another",
    },
    "GroupNorm": {
        "the mean of g is over the sample, not the group": r"analytic - numeric is the same all along axis 3 of x: the",
    },
    "HalfMask": {
        "dx is an array that is kept on the layer: the next backward overwrites it": r"dx was changed by a later call: it is a buffer that is used",
        "the mask is not applied to the weight's gradient": r"wrong only where mask is exactly 0: it should be 0 there",
    },
    "HashingEmbedding": {
        "the words' weights are left out: right while they are 1": r"it would be right for weight = 1",
    },
    "Highway": {
        "the gate's gradient forgets the shortcut: h, not h - x": r"the path through `1 - t` is missing",
    },
    "Huber": {
        "not cut off at delta": r"wrong only where abs\(\(scores - targets\)\) > 3/5",
        "the sign, not delta times the sign, of large errors": r"is delta: that factor is missing",
    },
    "Hyperbolic": {
        "the cache is changed in backward: a second one is wrong": r"another backward from the same cache differs in dx:",
    },
    "InfoNCE": {
        "the keys get no gradient": r"wrong everywhere but at index 0 of axis 1 of scores:",
    },
    "InstanceNorm": {
        "dx is not divided by the deviation": r"analytic = numeric \* cache\[1\]",
        "the mean is subtracted from dy in place": r"changed in place: dy",
    },
    "InvertedDropout": {
        "the mask is not applied in backward": r"wrong only where cache is exactly 0: it should be 0 there",
    },
    "KLDivergence": {
        'averaged over the classes too, reduction="mean"': r"analytic = numeric / 5",
    },
    "KLFromLogits": {
        "the sign is wrong: y - p": r"the sign is wrong: analytic = -numeric",
        "the softmax is lost: -y": r"analytic = numeric - 0\.25 \* cache\[0\]: that term is missing",
    },
    "KMax": {
        "the gradient is divided by k, as for a mean": r"analytic = numeric / 3",
        "the places are kept on the layer, where the next forward replaces them": r"a forward in between changes dx: the cache is kept on the",
        "the places of the first sample are used for all": r"it would be right for sample 0 in the place of all samples",
    },
    "L2Normalize": {
        "float32 in the middle": r"it agrees to about 7 digits only: is something rounded to",
        "the projection is summed over the whole sample": r"dy is mixed along axis 1, though an entry of x changes y at",
    },
    "LPPool": {
        "right for p = 2 only": r"analytic = numeric / abs\(x",
        "the power of the outer root is missing": r"analytic = numeric \* y\*\*2",
    },
    "LSTM": {
        "the cell's gradient is not handed to the step before": r"only the path from x to y at other indices along axis 1 of",
        "the forget gate's bias gets no gradient": r"wrong at indices 2 to 3 of axis 0 of b: analytic is 0 there",
        "the gradient through h to the step before is missing: it flows through c only": r"the path through `h` of `h @ u` is missing",
    },
    "LabelSmoothing": {
        "eps / (K - 1) for eps / K": r"a constant is added: analytic = numeric - 0\.0025",
    },
    "LastState": {
        "b's gradient is not summed over time": r"the path through `b` of `\.\.\. \+ b`",
        "the recurrent path is not propagated": r"operand 1 of `\.\.\. @ u` is missing",
        "the states are kept in float32 on the way back": r"it agrees to about 7 digits only: is something rounded to",
        "the states are kept in one list on the layer: a second forward overwrites them": r"ValueError: matmul: Input operand 1 has a mismatch in its",
    },
    "LayerNorm": {
        "backward takes its means over the last axis only": r"the path from x to y at other indices along axis 2 of x is",
        "mean and variance are taken as constants": r"the path from x to y at other indices along axis 2 of x is",
        "the parameters' gradients are summed over too few axes": r"expected a gradient of shape \(3, 4\), got one of shape",
    },
    "LeakyIntegrator": {
        "sigmoid' of the leak is 1/4: right while leak is 0": r"analytic = numeric \* 1/4 / \(cache\[3\] \* \(1 -",
        "the leak's own path is missing: right for alpha = 1": r"the path through operand 2 of `\.\.\. \* \.\.\.` is missing",
    },
    "LearnedPositions": {
        "the last step's row gets no gradient": r"what comes from dy at index 3 of axis 1 of dy \(the last\)",
    },
    "LearnedQueries": {
        "the queries' gradient is averaged over the batch: right for m = 1": r"analytic = numeric / 3",
    },
    "PlainLinear": {
        "a gradient's name is misspelt: weights": r"expected a gradient of shape \(5, 3\), got none",
        "build draws from np.random, not from rng": r"np\.random is used: draw from the rng that is passed in",
        "dropout is left on in backward: half of dx is zero": r"two copies of the layer differ in dx: something is random",
        "dx and the gradients are in the wrong order": r"TypeError: 'numpy\.ndarray' object is not a mapping",
        "dx is written into one array: the next call changes it": r"dx was changed by a later call: it is a buffer that is used",
        "dy that is not contiguous is read in the order of memory": r"dx differs for x and dy that are not contiguous",
        "frozen, dx is zero as well": r"it is zero: the gradient is not computed, or not returned",
        "only the first 8 samples count for the bias": r"dbias of a batch of 36 is not that of its samples",
        "only the sign of dy is used for dx": r"dy's size is ignored: only its sign is used",
        "the bias's gradient is a running average of the calls": r"a forward in between changes dbias: the cache is kept on",
        "the bias's gradient is averaged over the batch": r"analytic = numeric / 4",
        "the bias's gradient is kept from the first call": r"after a smaller batch dbias differs: something of that",
        "the bias's gradient is one number for all": r"expected a gradient of shape \(3,\), got one of shape \(\)",
        "the bias's gradient is summed in float64 and stays so": r"float32 in, but dbias is float64",
        "the cached x is set to zero, to be used once only": r"changed in place: x",
        "the weight is not transposed for dx, which no shape shows": r"only the path from x to y at other indices along axis 1 of x is wrong",
        "the weight is scaled to norm 1 in backward": r"changed in place: weight",
        "the weight's gradient is transposed": r"expected a gradient of shape \(5, 3\), got one of shape",
        "without dx the parameters get no gradients": r"with need_dx=False dweight differs",
        "x is kept on a stack: backward takes the latest forward's": r"ValueError: matmul: Input operand 1 has a mismatch in its",
        "x is kept on the layer, where the next forward overwrites it": r"ValueError: matmul: Input operand 1 has a mismatch in its",
        "x is taken off a stack: a second backward of the same forward fails": r"IndexError: pop from empty list",
    },
    "LinearAttention": {
        "elu' is taken as 1 for negative inputs too": r"the derivative of `exp\(\.\.\.\)` is taken as 1",
        "the normalizer counts as a constant": r"the path through `norm` of `\.\.\. / norm` is missing",
    },
    "LinearStateSpace": {
        "the state's gradient is not carried back in time": r"the path through operand 2 of `a \* \.\.\.` is missing",
        "the way back runs forward in time": r"the path from x to y at indices more than one later along",
        "the way back stops one step early: step 0 misses what follows": r"the path through operand 2 of `a \* \.\.\.`",
    },
    "LocalResponseNorm": {
        "alpha is not divided by the size": r"the path through `square\(x\)` counts 4 times",
        "the window of an even size is not mirrored": r"the path from x to y at indices more than one later along",
    },
    "LocallyConnected": {
        "an entry that two windows hold gets the gradient of one": r"wrong at index 1 of axis 1 of x",
    },
    "LogCosh": {
        "the sign of the error is lost": r"wrong only where \(scores - targets\) < 0: the sign is",
    },
    "Masking": {
        "every sample is divided by the first one's count": r"analytic = numeric \* 1/4 \* cache\[2\] along axis 0",
    },
    "MaxOverTime": {
        "the gradient goes to the smallest number": r"it would be right for -x in the place of x",
    },
    "MaxPool1D": {
        "where the window starts is forgotten": r"what comes from dy everywhere but at index 0 of axis 1 of",
    },
    "MeanAbsoluteError": {
        "1 everywhere: the sign is lost": r"where \(scores - targets\) < 0: the sign is wrong",
    },
    "MeanSquaredError": {
        "the sign is wrong": r"the sign is wrong: analytic = -numeric",
        "the size of the error is lost": r"analytic = numeric / abs\(\(scores - targets\)",
    },
    "MinimalGatedUnit": {
        "the state's path through the gate is missing": r"the path through `h` of `h @ uf` is missing",
    },
    "MixtureOfExperts": {
        "the gate's path is missing in dx": r"the path through `x` of `x @ gate` is missing",
        "the gate's weights are those of sample 0": r"wrong everywhere but at sample 0",
    },
    "MultiHinge": {
        "the right class gets -1, not minus the number of violations": r"wrong only in the scores of the right class",
    },
    "Noise": {
        "the noise is kept on the class, where another call overwrites it": r"a forward in between changes dsize: the cache is kept on",
    },
    "NormalizedRNN": {
        "the normalization's mean is taken over the batch in backward": r"dy is mixed along axis 0 \(samples\), though an entry of x",
    },
    "PaddedEmbedding": {
        "the padding row gets a gradient": r"wrong at index 0 of axis 0 of table: it should be 0 there",
    },
    "Pair": {
        "left and right are swapped in the names": r"it is the gradient of right\.p that is returned for left\.p",
    },
    "PairwiseLogistic": {
        "the sigmoid of minus the gap": r"it would be right for -scores in the place of scores",
    },
    "Parallel": {
        "the second use's gradient replaces the first one's": r"\(use 1 of 2\) is missing",
    },
    "PeepholeLSTM": {
        "the output gate's peephole is missing in the cell's gradient": r"the path through `new` of `peep\[\.\.\.\] \* new` is missing",
    },
    "Pinball": {
        "the sign is wrong: the derivative by the target": r"the sign is wrong: analytic = -numeric",
    },
    "PlainConv2D": {
        "channels and filters are swapped in dx": r"only the path from x to y at other indices along axis 1 of",
        "dy's rows and columns are swapped in the kernel's gradient": r"dy is read in the wrong order: axes 2 and 3 of dy are",
        "the channels' sum is missing: each filter only sends to its own channel": r"the path from x to y at other indices along axis 1 of x is",
        "the kernel is turned along its rows only": r"it would be right for kernels reversed along axis 3",
        "the turned kernels are made once and kept": r"after a change of the parameters dx is not that of a fresh",
    },
    "PoissonNLL": {
        "the derivative by the rate, not by its logarithm": r"analytic = numeric / exp\(scores",
    },
    "PosWeightBCE": {
        "pos_weight multiplies both terms": r"the path through `logaddexp\(0, scores\)` counts 3 times",
    },
    "PredictedVariance": {
        "mean and log-variance are swapped": r"the right numbers stand in the wrong places: scores is",
        "the log-variance gets no gradient": r"wrong at index 1 of axis 1 of scores \(the last\): analytic",
    },
    "RMSNorm": {
        "a sum stands for the mean": r"the path through `square\(x\)` counts 5 times",
        "the gain's gradient leaves out all samples but the last": r"only dy at sample 3 \(the last\) counts: what comes from",
        "the mean runs over the batch": r"dy is mixed along axis 0 \(samples\), though an entry of x",
    },
    "ReZero": {
        "alpha is left out on the way into the branch": r"the path through `x` of `x @ weight` counts 2\.9885 times",
        "tanh' is left out: right while alpha is 0": r"the derivative of `tanh\(\.\.\.\)` is taken as 1",
    },
    "Recurrent": {
        "the gradient of u adds up in an array of the layer's": r"du was changed by a later call: it is a buffer that is used",
    },
    "RelativeBias": {
        "places of the same distance do not add up: the last one's gradient remains": r"wrong at indices 1 to 5 of axis 0 of table",
        "the keys' path is missing": r"the path through operand 2 of `x @ \.\.\.` is missing",
        "the table's gradient is kept on the layer and grows with each call": r"dtable was changed by a later call: it is a buffer that is",
    },
    "RelativeError": {
        "divided by the target with its sign": r"wrong only where targets < 0: the sign is wrong: analytic =",
        "not divided by the target": r"analytic = numeric \* abs\(targets",
    },
    "Repeat2D": {
        "only the copies along one axis are added up": r"what comes from dy at odd indices of axis 3 of dy is lost",
    },
    "ResidualBlock": {
        "tanh' is 1 - tanh(a)^2: the activation is applied twice": r"the derivative of `tanh\(\.\.\.\)` is taken at its output,",
        "the bias is counted in both paths": r"analytic = numeric \* 2",
        "the shortcut is forgotten in backward": r"the path through `x` of `x \+ \.\.\.` is missing",
    },
    "RootMeanSquare": {
        "not divided by the root: the mean square's gradient": r"analytic = numeric \* 2 \* cache\[1\]",
        "the factor 1/2 of the root is lost": r"analytic = numeric \* 2",
        "the number of features is lost": r"analytic = numeric \* 5",
    },
    "Rotary": {
        "backward turns the caller's dy in place, reading what it has written": r"what comes from dy everywhere but at index 0 of axis 1 of",
    },
    "Scores": {
        "the gradient goes through float32": r"it agrees to about 7 digits only: is something rounded to",
        "the gradient is a pair, as a layer's is": r"ValueError: setting an array element with a sequence\. The",
        "the gradient is in the order of memory of scores that are not contiguous": r"the gradient differs for scores that are not contiguous",
    },
    "SelfAttention": {
        "dx lacks the path through the keys": r"the path through `x` of `x @ wk` is missing",
        "the gradient of wq is that of wk": r"it is the gradient of wk that is returned for wq",
    },
    "SeparableConv1D": {
        "without need_dx dhidden is zero: the depthwise gradient is lost": r"with need_dx=False ddepthwise differs",
    },
    "SequenceMSE": {
        "divided by batch and steps, the features are forgotten": r"analytic = numeric \* 4",
        "divided by the batch, not by all entries": r"analytic = numeric \* 12",
    },
    "Shift": {
        "the gradients are views of one array that all calls use": r"da was changed by a later call: it is a buffer that is used",
        "the parameters' own memory is handed out as gradient": r"changed in place: a",
        "the two gradients are one array": r"db shares its memory with da",
    },
    "Siamese": {
        "the gradients are kept on the layer and grow with each call": r"dweight was changed by a later call: it is a buffer that is",
        "the layer descends on its weights itself, and then uses the new ones": r"changed in place: weight",
    },
    "SinusoidalEmbedding": {
        "the gain's gradient is of sample 0": r"only dy at sample 0 counts: what comes from the rest of it",
        "the scale is d, not sqrt(d)": r"analytic = numeric \* 2",
    },
    "SoftMaximum": {
        "divided by r once too often: right at r = 1": r"is r: that factor is missing",
    },
    "Softmax": {
        "the mean is taken off, not the sum": r"analytic - numeric is a \+ b \* y along axis 1 of x, for each dy",
        "the sum in backward runs over axis 1: right for flat samples only": r"dy is mixed along axis 1, though an entry of x changes y at",
        "the sum in backward runs over the batch": r"dy is mixed along axis 0 \(samples\), though an entry of x",
    },
    "SoftmaxCrossEntropy": {
        "the sign is wrong: y - a": r"the sign is wrong: analytic = -numeric",
    },
    "SquaredHinge": {
        "the factor 2 is lost": r"analytic = numeric / 2",
    },
    "SqueezeExcitation": {
        "the gate's gradient is a mean over the pixels, not a sum": r"the path through `sum\(x\)` counts 1/6 times",
        "the path through the means is missing in dx": r"the path through `sum\(x\)` is missing",
    },
    "Standardize": {
        "backward divides by n where forward divided by n - 1": r"the path through (`sum\(x\)`|`x` of `x - .*) counts 3/4 times",
        "dy is changed in place": r"changed in place: dy",
        "n is the size of the batch: right only where both are equal": r"row 0 alone has another dx than in the batch",
        "the gain's gradient is averaged": r"analytic = numeric / 6",
        "the running statistics are not named as buffers, and are not saved": r"state_dict\(\) does not hold all that changes in training:",
        "the running statistics are updated in backward": r"backward changes mean, variance",
        "the running statistics are updated in backward a second time": r"backward changes variance",
        "the variance is taken for a constant": r"the path through (`sum\(x\)`|`x` of `x - .*) is missing",
    },
    "SwiGLU": {
        "one step's gradient only goes into w: the last": r"what comes from dy at index 0 of axis 1 of dy is lost",
    },
    "Temperature": {
        "divided by the temperature squared, as in distillation": r"is temperature: that factor is missing",
        "multiplied by the temperature, not divided": r"is temperature",
    },
    "TiedWords": {
        "the table's gradient has its use as input only": r"the path through `table\[\.\.\.\]` of `h @ table\[\.\.\.\]`",
        "the table's gradient has its use as output only": r"the path through `sum\(\.\.\.\)` is missing",
    },
    "TokenNorm": {
        "std's gradient lacks its own 1 / std": r"the derivative of `std \+ 0\.05` is taken as z, its input",
        "the scale is missing in dx": r"analytic = numeric / scale along axis 2",
    },
    "TokenTypes": {
        "the second type starts one step late in backward": r"what comes from dy at index 2 of axis 1 of dy is wrong",
    },
    "TopTwoMean": {
        "dy of the first sample for all": r"dy is read in the wrong order: index 0 stands for all",
        "everything that reaches the second largest gets a gradient, three of them where tied": r"equal entries, moved together, change the value by another",
    },
    "TransformerBlock": {
        "the first shortcut is forgotten in backward": r"the path through `x` of `x \+ a` is missing",
    },
    "Triplet": {
        "the anchor's gradient lacks the negative": r"the path through `a` of `a - n` is missing",
    },
    "Tversky": {
        "a and b are swapped": r"the path through `below` of `tp / below` counts 7/3 times",
    },
    "Twice": {
        "only the first use counts": r"the path through `gate\.p` of `gate\.p \* x`",
    },
    "UnitEmbedding": {
        "the division by the length is forgotten": r"analytic = numeric \* cache\[2\]",
    },
    "Unrolled": {
        "one application is missing on the way back": r"the path through operand 1 of `\.\.\. @ u`",
        "the weight's gradient is of the last application": r"the path through operand 1 of `\.\.\. @ u` is missing",
    },
    "WeightNorm": {
        "the norm is taken as a constant": r"the path through `norm\(v\)` is missing",
    },
    "WeightedMSE": {
        "samples of weight 0 are not left out": r"wrong at sample 0: it should be 0 there",
        "the weights are squared": r"analytic = numeric \* cache\[1\]",
    },
    "Zoneout": {
        "the kept and the new state are exchanged": r"the path from x to y at indices more than one later along",
    },
}
