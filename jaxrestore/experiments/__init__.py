"""Claims about the methods as commands: python -m jaxrestore.experiments --help.

An experiment is a module of this package, named in `registry.EXPERIMENTS`, with

    QUICK                 flag -> value that --quick sets, for runs of seconds
    add_flags(parser)     its own flags, beside those of `flags.add_common`
    run(flags, report)    computes, then hands `report` rows, a picture and a table

and a docstring that `--help` prints.
"""
