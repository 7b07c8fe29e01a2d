"""Exceptions that must not be swallowed: those of Ctrl-C, and those that a signal handler raises."""

import dis
import signal
from types import TracebackType

_RAISE = {dis.opmap["RAISE_VARARGS"], dis.opmap["RERAISE"]}


def reraise_interrupt(error: BaseException) -> None:
    """Raise the exception again if a signal raised it, not the code that was running; otherwise return.

    The code that was running, such as a value's ``__str__``, may raise KeyboardInterrupt or call ``sys.exit`` itself.
    The traceback tells the difference: Python's own handler of Ctrl-C raises at an instruction that is no ``raise``,
    and any other signal handler has a frame of its own.
    """
    if isinstance(error, Exception):
        return
    trace, handlers = error.__traceback__, None
    last: TracebackType | None = None
    while trace is not None:
        handlers = _signal_handlers() if handlers is None else handlers
        if trace.tb_frame.f_code in handlers:
            raise error
        last, trace = trace, trace.tb_next
    if not isinstance(error, SystemExit) and last is not None and not _is_at_raise(last):
        raise error


def _signal_handlers() -> set[object]:
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return {getattr(getattr(each, "__func__", each), "__code__", None) for each in handlers} - {None}


def _is_at_raise(trace: TracebackType) -> bool:
    code = trace.tb_frame.f_code.co_code
    return trace.tb_lasti < len(code) and code[trace.tb_lasti] in _RAISE
