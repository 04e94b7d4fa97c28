"""The exception by which a signal ends a command."""


class SignalExit(SystemExit):
    """Raised where the program is when a signal ends it; the exit status is 128 and the signal's number.

    A class of its own, because the host of plugins takes any other SystemExit for one that a plugin raised.
    """
