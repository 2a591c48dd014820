"""
`watch`: a decorator and context manager in one object, which reports the failures of a place and, while an incident is open, its successes.

What belongs here: what is a failure, and that nothing of ours reaches the host. How often a failure must happen, and what becomes of it,
is decided behind the sink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, cast, overload

from incidentkit.host.installed import HOLDER, SiteState, dormant, find_log, our_fault, site_state

if TYPE_CHECKING:
    from datetime import timedelta

    from incidentkit.host._decorate import Function
    from incidentkit.host._options import Types
    from incidentkit.model import Severity, Site, Threshold

__all__ = ["Watch", "watch"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Watches made in line are kept by (name, options); beyond this they are made again each time.
_KEPT_MAX: Final = 10_000
_BY_NAME: Final[dict[Any, Watch]] = {}
_BY_OPTIONS: Final[dict[tuple[Any, ...], Watch]] = {}


class Watch:
    """
    A watched place. Immutable and without a state of its own: one object serves all threads, tasks and recursions at once.

    As a decorator it names the site after the function, unless it has a name; as `with` or `async with` it must have one.
    """

    __slots__ = ("_fields", "_ignore", "_is_choosy", "_only", "_state", "site")

    def __init__(self, site: Site, *, ignore: Types = (), only: Types = (), fields: Mapping[str, Any] | None = None) -> None:
        self.site: Final = site
        self._state = site_state(site.name) if site.name else SiteState("")
        self._ignore, self._only, self._fields = ignore, only, fields or {}
        self._is_choosy = bool(ignore or only)

    def __repr__(self) -> str:
        return f"<watch {self.site.name!r}>"

    @overload
    def __call__(self, function: staticmethod[P, R], /) -> staticmethod[P, R]: ...
    @overload
    def __call__(self, function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    def __call__(self, function: Any, /) -> Any:
        """
        Return *function* watched: of the same kind, with the same signature.

        Raises:
            ConfigurationError: It is a class, or nothing that can be called.
        """
        if isinstance(function, staticmethod | classmethod):
            return type(function)(self(cast("Callable[..., Any]", function.__func__)))
        return self._watched(function)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object, /) -> None:
        if error is None:
            if self._state.evidence is not None: self._succeeded()
        elif isinstance(error, Exception):
            try: self._failed(error)  # noqa: SIM105
            except Exception: pass  # noqa: BLE001, S110 - at the recursion limit this call fails, and must not replace the host's error

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object, /) -> None:
        self.__exit__(kind, error, trace)

    def _watched(self, function: Function) -> Function:
        from incidentkit.host._decorate import Ends, name_of, wrapped

        name_of(function)  # refuses a class also where the name is given
        watched = wrapped(function, Ends(self._state, self._failed, self._succeeded))
        watched.__dict__["__watch__"] = self  # the World fails and succeeds through the real watch of a function
        return watched

    def _succeeded(self) -> None:
        try:
            evidence = self._state.evidence
            if evidence is not None: evidence.success()  # the incident may have closed since the wrapper looked
        except Exception as fault:  # noqa: BLE001 - a fault of ours never reaches the host
            our_fault("success", fault)

    def _failed(self, error: BaseException) -> None:
        """Report *error*, which goes on unchanged whatever happens here. Ctrl-C and SystemExit pass."""
        trace = error.__traceback__
        try:
            sink = HOLDER.sink
            if sink is None and ((log := HOLDER.log or find_log()) is None or not log.isEnabledFor(10)): return
            if self._is_choosy and not _counts(error, self._ignore, self._only): return
            if sink is None: dormant(self.site.name, type(error))
            else: sink.failed(error, self.site, self._fields)
        except Exception as fault:  # noqa: BLE001 - a fault of ours never reaches the host
            if fault is error: BaseException.with_traceback(error, trace)  # the sink raised the host's own; take its frames out again
            our_fault(self.site.name, fault)


class _Nameless(Watch):
    """A watch that takes its name from what it decorates."""

    __slots__ = ()

    def __enter__(self) -> Self:
        from incidentkit.errors import ConfigurationError

        raise ConfigurationError.at("with watch()", None, "a name", remedy='A block has none of its own: with ik.watch("import"): ...')

    def _watched(self, function: Function) -> Function:
        import attrs

        from incidentkit.host._decorate import name_of

        site = attrs.evolve(self.site, name=name_of(function))
        return Watch(site, ignore=self._ignore, only=self._only, fields=self._fields)(function)


@overload
def watch(function: staticmethod[P, R], /) -> staticmethod[P, R]: ...
@overload
def watch(function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
@overload
def watch(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def watch(
    name: str | None = None, /, *, service: str = "", severity: Severity | str | int = "minor", when: Threshold | str = "1 in 1m",
    quiet: timedelta | str = "5m", ignore: type[BaseException] | tuple[type[BaseException], ...] = (),
    only: type[Exception] | tuple[type[Exception], ...] = (), labels: Mapping[str, str] | None = None, key: str | None = None,
) -> Watch: ...
def watch(name: Any = None, /, **options: Any) -> Any:
    """
    Return a watch of the place *name*, or the function *name* watched; report each failure there, and raise it again unchanged.

    A failure is an exception that leaves the place and is an `Exception`; Ctrl-C, SystemExit, cancellation, GeneratorExit, and groups with
    one of these inside, pass. So does what is an instance of *ignore*, or of nothing in *only*; a group passes when all its leaves do.
    An incident opens when the place fails *when* (`"5 in 1m"`), with this *severity*, and may be resolved once that has not been so for
    *quiet*. *service* and *labels* go with it; *key* replaces the identity made of the exception's type and frames.

        @ik.watch
        @ik.watch(service="payments", severity="major", when="5 in 1m", ignore=CardDeclined)
        with ik.watch("nightly-import"): ...

    Raises:
        ConfigurationError: An option is unknown or says nothing; or what is decorated is a class.
    """
    if name.__class__ is str:  # the fast path of `with ik.watch("name")`
        try:
            found = _BY_OPTIONS.get((name, *options, *options.values())) if options else _BY_NAME.get(name)
        except TypeError:  # labels come as a dict, which has no hash
            found = None
        if found is not None: return found
    elif callable(name) or hasattr(name, "__get__"):  # what is no function is refused with the remedy
        return _kept(None, options)(cast("Callable[..., Any]", name))
    return _kept(name, options)


def _kept(name: Any, options: dict[str, Any]) -> Watch:
    """Return the watch with that name and those options, made the first time it is asked for."""
    key = (name, *options, *(tuple(value.items()) if isinstance(value, dict) else value for value in options.values()))
    try:
        found = _BY_OPTIONS.get(key)
    except TypeError:
        return _made(name, options)
    if found is not None: return found
    made = _made(name, options)
    if len(_BY_OPTIONS) >= _KEPT_MAX: return made
    if name is not None and not options: _BY_NAME[name] = made
    return _BY_OPTIONS.setdefault(key, made)


def _made(name: object, options: Mapping[str, Any]) -> Watch:
    from incidentkit.host._options import parse

    site, ignore, only, fields = parse(name, options)
    return (_Nameless if name is None else Watch)(site, ignore=ignore, only=only, fields=fields)


def _counts(error: BaseException, ignore: Types, only: Types) -> bool:
    """Return True when *error*, or a leaf of a group, is of a kind that counts. A group that is in *only* stands for all its leaves."""
    if isinstance(error, ignore): return False
    if isinstance(error, BaseExceptionGroup):
        within = () if isinstance(error, only) else only
        return any(_counts(leaf, ignore, within) for leaf in error.exceptions)
    return not only or isinstance(error, only)
