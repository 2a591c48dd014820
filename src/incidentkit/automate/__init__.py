"""
Deciding which runbook runs, its guards and its journal, and heartbeats: decisions only; running code, probing and waiting belong to
`actions` and `runtime`.
"""

__all__: tuple[str, ...] = ()
