"""How well `minitorch-np learn` names mistakes, and how long it takes.

Each function of `tests/material/learners_wrong.txt`, in a chapter whose other functions are right,
has to be rejected with the right name of its mistake; those of `learners_right.txt` have to pass;
unchanged files score 0; the solutions pass and reach an accuracy of 90 % on the digits.

    python -m benchmarks.learn [--jobs 2] [--show]
"""

import argparse
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from minitorch_np.learn.answer import PASSED, Answer, answer_of
from minitorch_np.learn.check import check
from minitorch_np.learn.folder import Folder, start
from minitorch_np.learn.process import Limits, run_chapter
from minitorch_np.learn.task import FILES, chapter
from tests.material.learners import Written, hand_in, solved, written

LIMITS = Limits(seconds=8)


def answer_to(one: Written) -> Answer:
    """The answer to one function of a learner's."""
    with tempfile.TemporaryDirectory() as name:
        solved(Path(name))
        about = chapter(one.file)
        answer = answer_of(about, run_chapter(about, hand_in(one, Path(name)), LIMITS))
    if answer.problem:
        return Answer(one.name, "wrong", known=answer.problem)
    return next(found for found in answer.functions if found.name == one.name)


def verdict(one: Written, answer: Answer) -> str:
    """The outcome: passed, named rightly, wrongly named or not named."""
    if answer.status == PASSED:
        return "passed"
    if re.search(one.said, f"{answer.mistake} {answer.known}"):
        return "named"
    return "wrongly named" if answer.mistake else "not named"


def main() -> None:
    """Check all functions, and print counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="show those not named rightly")
    parser.add_argument("--only", default="", help="only chapters whose file begins with this")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for kind, fine in (("wrong", "named"), ("right", "passed")):
            all_of_kind = [w for w in written(kind) if w.file.startswith(arguments.only)]
            counts: dict[str, int] = {}
            for one, answer in zip(all_of_kind, pool.map(answer_to, all_of_kind), strict=True):
                found = verdict(one, answer)
                counts[found] = counts.get(found, 0) + 1
                if arguments.show and found != fine:
                    print(f"--- {found}: {one.id}\n{one.code}{answer}\n", flush=True)
            total = max(1, len(all_of_kind))
            shares = ", ".join(f"{name} {n} ({n / total:.1%})" for name, n in counts.items())
            print(f"{kind}: {total}: {shares}", flush=True)
    if not arguments.only:
        whole()


def whole() -> None:
    """Empty files, the solutions, and the time of each chapter."""
    with tempfile.TemporaryDirectory() as name:
        empty, done = Path(name) / "empty", Path(name) / "done"
        start(empty)
        for path in empty.glob("ch*.py"):
            path.write_text(path.read_text() + "\n# looked at\n")
        print("empty files:", sum(check(Folder(empty), chapter(f), LIMITS).right for f in FILES))
        solved(done)
        seconds = []
        for file in FILES:
            begin = time.perf_counter()
            answer = check(Folder(done), chapter(file), LIMITS)
            seconds.append(time.perf_counter() - begin)
            print(f"{file}: {answer.right} of {answer.total} in {seconds[-1]:.2f} s", flush=True)
            for function in answer.functions:
                if "%" in function.known:
                    print(f"  {function.known}")
        print(f"all: {sum(seconds):.1f} s, the longest {max(seconds):.2f} s")


if __name__ == "__main__":
    main()
