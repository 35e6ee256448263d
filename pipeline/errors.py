"""The one kind of failure that is meant to be read by people."""


class RisklineError(Exception):
    """A failure whose message is one line: what is wrong, where, and what to do about it.

    Entry points print the message and exit with a code that is not 0; anything else that is
    raised is a defect and keeps its traceback.
    """


class UnreachableError(RisklineError):
    """A server did not answer: the same try may succeed later."""


def of_the_machine(error: OSError) -> RisklineError:
    """A full disk, or a folder that may not be written, in one line: the machine's, not the code's.

    The same try may succeed once somebody has put it right.
    """
    place = f" on {error.filename}" if error.filename else ""
    return RisklineError(f"{error.strerror or error}{place}; put that right and run again")
