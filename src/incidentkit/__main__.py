"""`python -m incidentkit`: the command line."""

from incidentkit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
