"""Probes and ready-made runbooks, which act on the world; deciding when they run belongs to `automate`, calling them to `runtime`."""

__all__: tuple[str, ...] = ()
