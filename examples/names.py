"""New names: a recurrent network reads a list of names and generates others.

Names have different lengths, but a batch is a rectangle. So all are padded on the right with an end
token, and targets there are -100, which the loss ignores. Padding needs no mask: a recurrent
network reads from the left, so what follows the end of a name can't change the predictions before.

The end is a token like any other: when it is drawn, the name is complete. A name also begins with
it, so that the first letter can be predicted too.

    python examples/names.py [EPOCHS]
"""

import sys

import numpy as np

import minitorch_np as mt

LIST = """
ada adele agatha agnes aida alba albert alberta alexander alfred alice alina alma amanda amelia amos
anatole andrea andrew angela anita anna annabel anton antonia ariadne arnold arthur astrid augusta
aurelia barbara basil beatrice benedict benjamin bernard bertha bianca boris bruno camilla carla
carlotta carmen caroline caspar cassandra catherine cecilia celeste charles charlotte christian
clara claudia clement conrad constance cora cordelia cornelia cyril daniel daphne david deborah
delia diana dominic dora dorothea edgar edith edmund edward eleanor elena elias elisabeth eliza ella
ellen elmer elsa emanuel emil emily emma eric ernest esther eugene eva evelyn fabian felicia felix
ferdinand flora florence frances frederick gabriel gemma george gerald gerard gilbert gloria grace
gregory greta gustav hannah harold harriet hector hedwig helen helena henrietta henry herbert
hermann hilda horace hubert hugo ida ignatius ingrid irene iris isabel isadora ivan jacob james jane
jasper jeremy joanna john jonathan joseph josephine judith julia julian juliet justin karl katharina
lambert laura laurence lavinia lea leander lena leo leonard leonora leopold lewis lilian linda livia
lorenz louis louisa lucas lucia lucian lucy ludwig lydia magda magnus marcel marcus margaret maria
marian marina marius martha martin mathilda matthew maurice max melanie melissa michael millicent
minerva miranda miriam monica moritz nadia natalia nathaniel nicholas nina nora norbert octavia
olga oliver olivia ophelia oscar oswald ottilie otto pamela patricia paul paula paulina penelope
peter petra philip phoebe portia priscilla quentin rachel raphael raymond rebecca regina richard
rita robert roberta robin roland romeo rosa rosalind rosamund rose rudolf rupert ruth sabina
samuel sandra sara sebastian selma sibyl sidonia silas silvia simon sophia stella stephen susanna
sylvester tabitha tamara terence theodor theodora theresa thomas timothy titus tobias ulrich ursula
valentin valeria vera verena veronica victor victoria vincent viola virginia vivian walter wanda
wilfred wilhelm wilhelmina william winifred xavier xenia yvonne zacharias zelda zoe
"""
NAMES = LIST.split()
END, IGNORED = "\n", -100


def main(epochs: int = 30) -> None:
    """Learn the list, and generate twenty names."""
    letters = mt.data.CharTokenizer(END + "".join(NAMES))
    longest = max(map(len, NAMES)) + 1
    x = np.zeros((len(NAMES), longest), int)  # 0 is END
    y = np.full((len(NAMES), longest), IGNORED)
    rng = np.random.default_rng(0)
    for row, name in enumerate(rng.permutation(NAMES)):  # so that the last are like the others
        x[row, : len(name) + 1] = letters.encode(END + name)
        y[row, : len(name) + 1] = letters.encode(name + END)
    print(f"{len(NAMES)} names of up to {longest - 1} letters")

    model = mt.char_rnn(len(letters), longest, units=64, cell="gru", dropout=0.2, seed=0)
    loss = mt.SoftmaxCrossEntropy(ignore_index=IGNORED)
    optimizer = mt.AdamW(mt.schedules.cosine(0.01, epochs * (len(NAMES) // 32 + 1)), clip_norm=1.0)
    trainer = mt.Trainer(model, loss, optimizer, metrics=[mt.Perplexity()], seed=0)
    history = trainer.fit(x, y, epochs=epochs, batch_size=32, validation_split=0.1)
    learned, held_out = (history[name][-1] for name in ("perplexity", "val_perplexity"))
    print(f"perplexity {learned:.1f}, on names held out {held_out:.1f}, guessing {len(letters)}\n")

    made: list[str] = []
    while len(made) < 20:
        name = ""
        for token in mt.generate(model, letters.encode(END), longest, temperature=0.7, rng=rng):
            if letters.characters[token] == END:
                break
            name += letters.characters[token]
        if name and name not in made:
            made.append(name)
    for n in range(0, 20, 5):
        print(" ".join(f"{name:14}" for name in made[n : n + 5]).rstrip())
    print(f"\nnot in the list: {len(set(made) - set(NAMES))} of {len(made)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
