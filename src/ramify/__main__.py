"""The entry point `python -m ramify`, which torchrun requires."""

from ramify.cli import main

if __name__ == "__main__":
    main()
