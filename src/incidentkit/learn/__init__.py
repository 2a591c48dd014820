"""Timeline, review, measures, suggestions, backtest: what reads the log and drives `runtime` to learn; it never writes an incident."""

__all__: tuple[str, ...] = ()
