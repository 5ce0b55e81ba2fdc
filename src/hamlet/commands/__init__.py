"""The commands of the command line, one module each. The ``main`` of a module takes the arguments after the command."""
