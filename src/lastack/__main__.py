"""`python -m lastack` is the command `lastack`."""

from lastack.cli.main import main

if __name__ == "__main__":
    main()
