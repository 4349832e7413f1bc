"""Learn by writing: chapters with functions to fill in, and answers that name the mistake.

list (the default) shows the chapters and your progress; start [DIR] writes them into a folder;
check [CHAPTER ...] checks your functions; hint CHAPTER [FUNCTION] gives one more hint each time;
show CHAPTER shows the solution, once you have tried. A learner's code runs in a separate process
with limits of time and memory. It is not a sandbox: the code has all rights of the user.
"""

import argparse
from pathlib import Path
from typing import Any

from minitorch_np.cli.arguments import positive_integer, print_json
from minitorch_np.errors import ConfigurationError
from minitorch_np.learn.answer import ChapterAnswer
from minitorch_np.learn.check import check, check_class
from minitorch_np.learn.folder import Folder, find, is_ours, start
from minitorch_np.learn.handout import function_source
from minitorch_np.learn.process import Limits
from minitorch_np.learn.task import FILES, Chapter, chapter, chapter_named
from minitorch_np.text import listed, terminal_width, wrapped

ACTIONS = ("list", "start", "check", "hint", "show")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `minitorch-np learn`."""
    add = parser.add_argument
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    add("action", choices=ACTIONS, nargs="?", default="list", help="what to do (list)")
    add("names", metavar="NAME", nargs="*", help="a folder for start; chapters: 4, or softmax")
    add("--dir", metavar="FOLDER", help="the folder with the chapters (this one, or ./learn)")
    add("--class", dest="of_class", metavar="FOLDER", help="check all learners' folders in it")
    add("--jobs", type=positive_integer, default=1, metavar="N", help="learners at a time (1)")
    add("--seconds", type=positive_integer, default=10, metavar="N", help="per function (10)")
    add("--memory", type=positive_integer, default=4096, metavar="MB", help="per process (4096)")


def run(arguments: argparse.Namespace) -> int:
    """Run the action; returns 0 if everything that was checked is right, else 1."""
    action = {"list": _list, "start": _start, "check": _check, "hint": _hint, "show": _show}
    if arguments.of_class is not None and arguments.action != "check":
        raise ConfigurationError(
            "--class: expected the action check, as in `learn check --class F`"
        )
    if arguments.of_class is not None:
        return _check_class(arguments)
    return action[arguments.action](arguments)


def _limits(arguments: argparse.Namespace) -> Limits:
    return Limits(arguments.seconds, arguments.memory * 2**20)


def _chapters(arguments: argparse.Namespace) -> list[Chapter]:
    return [chapter_named(name) for name in arguments.names] or [chapter(f) for f in FILES]


def _list(arguments: argparse.Namespace) -> int:
    if arguments.names:
        raise ConfigurationError(f"learn list: expected no names, got {arguments.names[0]!r}")
    path = find(arguments.dir)
    folder = Folder(path) if arguments.dir is not None or is_ours(path) else None
    rows, data = [], []
    for about in (chapter(file) for file in FILES):
        right = len(folder.is_right(about)) if folder else 0
        rows.append([f"{about.number:2}", about.title, f"{right} of {len(about.tasks)}"])
        data.append({"file": about.file, "title": about.title, "right": right,
                     "total": len(about.tasks)})  # fmt: skip
    if arguments.json:
        print_json({"folder": str(path) if folder else None, "chapters": data})
        return 0
    print("\n".join(listed([["", "chapter", "right"], *rows], terminal_width())))
    if folder is None:
        print("\nTo begin: minitorch-np learn start my_network")
    return 0


def _start(arguments: argparse.Namespace) -> int:
    if len(arguments.names) > 1:
        raise ConfigurationError(f"learn start: expected one folder, got {len(arguments.names)}")
    path = Path(arguments.names[0] if arguments.names else arguments.dir or "learn")
    done = start(path)
    if arguments.json:
        print_json(vars(done))
        return 0
    print(f"{path}: {len(done.written)} files written, {len(done.kept + done.older)} kept")
    for name in done.older:
        print(
            f"  {name} is kept, and this version has a newer text: rename yours and run start "
            "again to get it; the check accepts both"
        )
    if done.written:
        first = path / f"{FILES[0]}.py"
        print(wrapped(f"Fill in {first}; then run: minitorch-np learn check 1 --dir {path}"))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    folder = Folder(find(arguments.dir))
    answers = []
    for about in _chapters(arguments):
        answer = check(folder, about, _limits(arguments))
        folder.remember(answer)
        answers.append(answer)
    if arguments.json:
        print_json({"folder": str(folder.path), "chapters": [a.to_dict() for a in answers]})
    elif arguments.names:
        print(wrapped("\n\n".join(map(str, answers))))
    else:
        _overview(answers)
    return 0 if all(answer.passed for answer in answers) else 1


def _overview(answers: list[ChapterAnswer]) -> None:
    """Print a row per chapter, and then the first one that is not right, in full."""
    rows = [[a.file, _mark(a), a.title] for a in answers]
    print("\n".join(listed(rows, terminal_width())))
    todo = [answer for answer in answers if not answer.passed]
    for answer in [a for a in todo if a.begun][:1] or todo[:1]:
        print(wrapped(f"\n{answer}"))


def _mark(answer: ChapterAnswer) -> str:
    return "-" if not answer.begun else f"{answer.right}/{answer.total}"


def _check_class(arguments: argparse.Namespace) -> int:
    chapters = _chapters(arguments)
    limits, path = _limits(arguments), Path(arguments.of_class)
    found = dict(check_class(path, chapters, limits, arguments.jobs))
    if arguments.json:
        result: dict[str, Any] = {
            name: [answer.to_dict() for answer in answers] for name, answers in found.items()
        }
        print_json({"folder": str(path), "learners": result})
    else:
        rows = [["learner", *(about.file[:4] for about in chapters), "right"]]
        for name, answers in found.items():
            total = f"{sum(a.right for a in answers)}/{sum(a.total for a in answers)}"
            rows.append([name, *map(_mark, answers), total])
        print("\n".join(listed(rows, terminal_width())))
    return 0 if all(a.passed for answers in found.values() for a in answers) else 1


def _one_chapter(arguments: argparse.Namespace, more: int) -> Chapter:
    if not 1 <= len(arguments.names) <= 1 + more:
        rest = " and a function of it" if more else ""
        raise ConfigurationError(
            f"learn {arguments.action}: expected a chapter{rest}, as in `minitorch-np learn "
            f"{arguments.action} 4`; got {' '.join(arguments.names) or 'none'}"
        )
    return chapter_named(arguments.names[0])


def _hint(arguments: argparse.Namespace) -> int:
    about, folder = _one_chapter(arguments, 1), Folder(find(arguments.dir))
    wanted = arguments.names[1] if len(arguments.names) > 1 else None
    name, hint, number, of = folder.next_hint(about, wanted)
    if arguments.json:
        print_json({"chapter": about.file, "function": name, "hint": hint, "number": number})
    elif hint:
        print(wrapped(f"{name}, hint {number} of {of}: {hint}"))
    else:
        print(
            f"{name}: there are no more hints. When you have tried, `minitorch-np learn show "
            f"{about.number}` shows the solution."
        )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    about, folder = _one_chapter(arguments, 0), Folder(find(arguments.dir))
    if about.file not in folder.state["tried"]:
        raise ConfigurationError(
            f"learn show: expected {about.file} to be tried first: write an attempt, even a wrong "
            f"one, and run `minitorch-np learn check {about.number}`"
        )
    sources = {task.name: function_source(about.module, task.name) for task in about.tasks}
    if arguments.json:
        print_json({"chapter": about.file, "solutions": sources})
    else:
        print("\n\n".join(source.rstrip() for source in sources.values()))
    return 0
