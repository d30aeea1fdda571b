"""One file per command: ``add_arguments(parser)`` and ``main(arguments) -> exit code``."""
