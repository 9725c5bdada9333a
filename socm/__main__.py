"""``python -m socm`` is ``socm``."""

from socm.cli import main

if __name__ == "__main__":
    main()
