"""A course: chapters with functions to fill in, and answers that name the mistake.

    minitorch-np learn start my_folder
    minitorch-np learn check 1

A chapter's text is in `chapters`, with the solutions, which `handout` removes. `checks` lists the
inputs on which each function is tested, and frequent mistakes in it. `child` is the process in
which a learner's code runs, `naming` identifies the mistake, `answer` describes it.
"""
