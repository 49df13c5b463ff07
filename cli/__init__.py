"""The command line."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.cli': a second copy of it would break identity checks")


def main() -> None:
    """Run ``oxnor``."""
    import signal
    import sys

    from .app import app

    # As an exception, so that what was started (a compiler, a simulator) is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app(prog_name="oxnor")
