r"""The notations that models write: one table for the parser and for the reader of prose.

Wrapping that carries no value is white space to both: dollar signs, `\boxed{…}`, `\text{…}`, sizes of brackets, code
fences. Signs and digits count as what they look like: an en dash is a minus, a full-width digit is a digit.
"""

MEANING = {"×": "*", "·": "*", "∗": "*", "x": "*", "X": "*", "\\times": "*", "\\cdot": "*", "times": "*", "cdot": "*"}
MEANING |= {"÷": "/", "\\div": "/", "div": "/", "−": "-"}
"""Signs and the operator that they stand for."""

CLOSERS = {"(": ")", "[": "]"}

LOOKALIKES = str.maketrans(
    {
        **{chr(0xFF01 + offset): chr(0x21 + offset) for offset in range(94)},  # full-width ASCII
        "\u3000": " ",
        **dict.fromkeys("‐‑‒–—―﹣", "-"),
        **dict.fromkeys("⋅•∙", "·"),
        **dict.fromkeys("✕✖⨯", "×"),
        "➗": "÷",
        "∕": "/",
        "⁄": "/",
        "﹢": "+",
        "➕": "+",
        "➖": "-",
    }
)
"""One character for one, so positions stay."""

_WRAPPERS = "boxed|fbox|mbox|text|textbf|textit|texttt|mathrm|mathbf|mathit|mathsf|bm|underbrace|displaystyle"
_SIZES = "left|right|[bB]igg?[lr]?|quad|qquad"
SPACES = rf"\\(?:{_SIZES}|{_WRAPPERS})(?![A-Za-z])"
r"""Commands that are white space; the braces behind `\boxed` are brackets."""

OPERATORS = r"[-+*/×÷−·∗xX]|\\(?:times|div|cdot)(?![A-Za-z])"
FRACTION = r"\\[dt]?frac\s*\{"

RESIDUE = r"<\|[^<>|\s]{1,40}\|>|</?s>|<(?:eos|pad|end_of_turn)>|\[/INST\]"
"""Tokens of chat templates that end a message."""


def as_they_look(text: str) -> str:
    """The text with dashes, full-width signs and the like as what they look like; positions stay.

    >>> as_they_look("６ × 9 – 4")
    '6 × 9 - 4'
    """
    return text if text.isascii() else text.translate(LOOKALIKES)
