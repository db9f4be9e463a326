r"""The notations that models write, in one table for the parser and the search for attempts.

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
"""Replacements of single characters, so positions are preserved."""

_WRAPPERS = "boxed|fbox|mbox|text|textbf|textit|texttt|mathrm|mathbf|mathit|mathsf|bm|underbrace|displaystyle"
_SIZES = "left|right|[bB]igg?[lr]?|quad|qquad"
SPACES = rf"\\(?:{_SIZES}|{_WRAPPERS})(?![A-Za-z])"
r"""Commands treated as white space; the braces after `\boxed` are brackets."""

OPERATORS = r"\\[*+/-]|[-+*/×÷−·∗xX]|\\(?:times|div|cdot)(?![A-Za-z])"
"""Signs; a backslash before one is a Markdown escape."""
FRACTION = r"\\[dt]?frac\s*\{"

RESIDUE = r"<\|[^<>|\s]{1,40}\|>|</?s>|<(?:eos|pad|end_of_turn)>|\[/INST\]"
"""Tokens of chat templates that end a message."""

END = rf"(?:[\s.,;。、✓✔✅☑\ufe0f$`]|\*\*|{RESIDUE})"
"""Text that may follow an answer."""


def as_they_look(text: str) -> str:
    """Replace dashes, full-width signs and similar characters by their ASCII equivalents; positions are preserved.

    >>> as_they_look("６ × 9 – 4")
    '6 × 9 - 4'
    """
    return text if text.isascii() else text.translate(LOOKALIKES)
