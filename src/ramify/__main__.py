"""`python -m ramify`, which torchrun needs."""

from ramify.cli import main

if __name__ == "__main__":
    main()
