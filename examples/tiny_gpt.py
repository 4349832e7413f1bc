"""A tiny GPT: it learns from a text, character by character, to generate similar text.

The network predicts each character from up to 64 before it. It is trained on windows of the text
from random positions; their targets are the same windows one character later. The last tenth of the
text is held out, to show whether the network learns the language or only memorizes the text. With
the two sonnets below it can only memorize. With a megabyte of plays and 2,000 steps, it generates
speeches that look like Shakespeare's but have no meaning:

    python examples/tiny_gpt.py [STEPS [FILE]]

The command `minitorch-np text train FILE` does the same, with a checkpoint, and saves the network.
"""

import sys

import numpy as np

import minitorch_np as mt

SONNETS = """
Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance, or nature's changing course, untrimm'd;
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:
So long as men can breathe, or eyes can see,
So long lives this, and this gives life to thee.

When, in disgrace with fortune and men's eyes,
I all alone beweep my outcast state,
And trouble deaf heaven with my bootless cries,
And look upon myself and curse my fate,
Wishing me like to one more rich in hope,
Featured like him, like him with friends possess'd,
Desiring this man's art and that man's scope,
With what I most enjoy contented least;
Yet in these thoughts myself almost despising,
Haply I think on thee, and then my state,
Like to the lark at break of day arising
From sullen earth, sings hymns at heaven's gate;
For thy sweet love remember'd such wealth brings
That then I scorn to change my state with kings.
"""
CONTEXT, BATCH = 64, 12


def main(text: str, steps: int) -> None:
    """Train on nine tenths of the text, measure on the rest, and generate text."""
    characters = mt.data.CharTokenizer(text)
    ids = characters.encode(text)
    cut = len(ids) * 9 // 10
    windows, kept = (mt.data.TextWindows(part, CONTEXT) for part in (ids[:cut], ids[cut:]))
    model = mt.gpt(len(characters), CONTEXT, layers=4, heads=4, width=128, seed=0)
    print(f"{len(characters)} characters, {model.count_parameters():,} parameters")

    rise = min(100, steps // 4)
    rate = mt.schedules.warmup(rise, mt.schedules.cosine(1e-3, steps - rise, 1e-4))
    optimizer = mt.AdamW(rate, beta2=0.99, clip_norm=1.0)
    trainer = mt.Trainer(model, mt.SoftmaxCrossEntropy(), optimizer, seed=0)
    rng = np.random.default_rng(0)
    losses = []
    for step in range(1, steps + 1):
        losses.append(trainer.step(*windows.random(BATCH, rng)))
        if step % (steps // 4) == 0:
            held_out = trainer.evaluate(*kept.consecutive())["loss"]
            recent = np.mean(losses[-steps // 8 :])
            print(f"step {step:4}: loss {recent:.3f}, on the last tenth {held_out:.3f}")

    print()
    for token in mt.generate(model, ids[: len("\nShall I")], 300, temperature=0.7, rng=0):
        print(characters.decode([token]), end="", flush=True)
    print(f"\n\na window of the text, by heart: {by_heart(model, windows, rng):.0%} right")


def by_heart(model: mt.Sequential, windows: mt.data.TextWindows, rng: np.random.Generator) -> float:
    """How often the most probable character is the right one, in the second half of windows."""
    x, y = windows.random(50, rng)
    right = model.predict(x).argmax(-1) == y
    return float(right[:, CONTEXT // 2 :].mean())


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        mt.data.load_text(given[1]) if given[1:] else SONNETS,
        int(given[0]) if given else 500,
    )
