"""``python -m sparkiot_operator`` is the ``sparkiot`` command."""

from .cli import main

if __name__ == "__main__":
    main()
