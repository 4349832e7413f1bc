"""Learn it by writing it: chapters with functions to fill in, and answers that name the mistake.

    minitorch-np learn start my_folder
    minitorch-np learn check 1

A chapter's text is in `chapters`, with the solutions, which `handout` takes out of what learners
get. `checks` says on which inputs each function is tried, and which mistakes people make in it.
`child` is the process in which a learner's code runs, `naming` finds the mistake, `answer` puts it
into words.
"""
