"""The commands of the command line, one module each; every module has a ``main`` that takes the remaining words."""
